"""Which runs can be trained side by side, their heads stacked, as far as their settings tell.

Every setting counts unless it stands here with the reason why not, so that a new one keeps runs apart until
somebody has thought about it. Imports nothing heavy: a launcher groups cells by it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from coilal.run_directory.identity import flatten
from coilal.runs.settings import Settings

MAY_DIFFER: Mapping[str, str] = {
    "seed": "gives the seeds below, and the name of the run directory",
    "seeds.start": "each run has a starting set of its own",
    "seeds.train": "each run has initial weights and random numbers of its own; features: see DRAWN_WEIGHTS",
    "strategy": "each run asks for itself",
    "model.optimizer.lr_head": "the heads of each learning rate are stepped by themselves",
    "model.optimizer.lr_backbone": "nothing of the backbone is trained",
    "model.optimizer.weight_decay": "as lr_head",
    "oracle": "each run asks an oracle of its own",
    "task.lr_scale": "is multiplied with the learning rates",
    "score_validation": "each run is evaluated by itself",
    "inspection": "as score_validation",
    "study": "says where results lie",
    "outputs": "says where results lie",
    "records": "says where the split lies; runs that have another one are kept apart when it is known",
    "force": "says what becomes of an earlier run",
    "logger": "each run has loggers of its own",
    "hparams": "says where hyperparameters come from, which count themselves",
}
"""Settings, and groups of them, that runs which are trained side by side need not have in common, and why."""

DRAWN_WEIGHTS = "seeds.train"
"""What the features of a backbone with random weights depend on."""

WITHOUT_EFFECT_ON_A_STEP = ("max_epochs", "accelerator", "devices", "deterministic")
"""Settings of the trainer that leave single training steps alone, whatever they are."""

NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "_target_": ("pytorch_lightning.Trainer",),
    "precision": ("32-true", "32", 32, "bf16-mixed", "bf16"),
    "gradient_clip_val": (0,),
    "accumulate_grad_batches": (1,),
    "max_steps": (-1,),
    "callbacks": ([],),
}
"""Values of other settings of the trainer that leave them alone; so does null, which is Lightning's default."""


def why_alone(settings: Settings) -> str | None:
    """Return why a run cannot be trained beside others, beginning with the setting, or None if it can."""
    if not settings.model.trains_the_head_alone:
        return f"model.trainable={settings.model.trainable}, and only heads are trained side by side"
    if settings.augmentation.views:
        return f"augmentation.views={settings.augmentation.views}, and views are drawn for one run at a time"
    for key, value in settings.trainer.items():
        if not _leaves_steps_alone(key, value):
            shown = f"trainer.{key}={value}" if isinstance(value, str | int | float) else f"trainer.{key}"
            return f"{shown} may act on the training steps of a run"
    return None


def alike(settings: Settings) -> str:
    """Return a digest of all settings that runs must have in common to be trained side by side.

    A run that replays another one's selection has another task than that one: they never stand in one stack.
    """
    flat = {key: value for key, value in flatten(settings.config).items() if not _may_differ(key)}
    if settings.model.weights in (None, "none"):
        flat[DRAWN_WEIGHTS] = settings.seeds.train
    text = json.dumps(flat, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _may_differ(key: str) -> bool:
    return any(f"{key}.".startswith(f"{name}.") for name in MAY_DIFFER)


def _leaves_steps_alone(key: str, value: Any) -> bool:
    return key in WITHOUT_EFFECT_ON_A_STEP or value is None or value in NEUTRAL.get(key, ())
