"""Simulated studies: learning curves with known effects, and run directories as a run leaves them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from coilal.run_directory.files import RunName, study_of

GROUPS = 20
POOL, VALIDATION, TEST = 600, 100, 200
CLASSES = {"none": 400, "gap": 150, "crossover": 50}


@dataclass(frozen=True)
class Simulated:
    """Runs of one model and task.

    Attributes:
        effects: strategy → what it adds to the metric after the starting set, at every labelled count.
        seeds: the seeds.
        labelled: labelled counts.
        noise: sd of the metric between runs of one seed; seeds themselves differ by four times that.
        overrides: settings that differ from the usual ones (dotted keys).
        splits: numbers of the splits; None: one, in run directories of versions that knew no others.
        split_noise: sd of the metric between splits, of a strategy's own; splits as such differ by ten times that.
    """

    effects: Mapping[str, float]
    seeds: Sequence[int] = (0, 1, 2, 3, 4)
    labelled: Sequence[int] = (20, 40, 60, 80, 100)
    noise: float = 0.01
    task: str = "multiclass"
    model: str = "tiny"
    overrides: Mapping[str, Any] = field(default_factory=dict)
    splits: Sequence[int] | None = None
    split_noise: float = 0.0


def curves(effect: float, labelled: Sequence[int], noise: float, seeds: Sequence[int], strategy: str) -> np.ndarray:
    """Return learning curves (S, T) that rise from 0.3 to 0.8; equal starting points for all strategies."""
    x = (np.asarray(labelled) - labelled[0]) / max(labelled[-1] - labelled[0], 1)
    rise = 0.3 + 0.5 * (1 - np.exp(-3 * x)) / (1 - np.exp(-3))
    rows = []
    for seed in seeds:
        common = np.random.default_rng([seed]).normal(0, 4 * noise)
        own = np.random.default_rng([seed, *strategy.encode()]).normal(0, noise, len(x))
        rows.append(rise + common + np.where(x > 0, effect + own, 0.0))
    return np.clip(np.array(rows), 0, 1)


def write_study(study: Path, simulated: Simulated) -> None:
    """Write the run directories of a simulated study."""
    for strategy, effect in simulated.effects.items():
        of_strategy = study / simulated.task / simulated.model / strategy
        for split in (None,) if simulated.splits is None else simulated.splits:
            values = curves(effect, simulated.labelled, simulated.noise, simulated.seeds, strategy)
            if split is not None:
                values = np.clip(values + _of_split(simulated, strategy, split), 0, 1)
            folder = of_strategy if split is None else of_strategy / f"split{split}"
            for seed, curve in zip(simulated.seeds, values, strict=True):
                write_run(folder / f"seed{seed}", simulated.labelled, curve, simulated.overrides)


def _of_split(simulated: Simulated, strategy: str, split: int) -> np.ndarray:
    """Return what a split adds to the curves of a strategy (T): to the starting set the same for all strategies."""
    common = np.random.default_rng([split, 7]).normal(0, 10 * simulated.split_noise)
    own = np.random.default_rng([split, 7, *strategy.encode()]).normal(0, simulated.split_noise)
    return common + np.where(np.arange(len(simulated.labelled)) > 0, own, 0.0)


def write_run(
    folder: Path, labelled: Sequence[int], curve: np.ndarray, overrides: Mapping[str, Any] | None = None
) -> None:
    """Write one finished run, in the format of a run directory."""
    study = study_of(folder)
    name = RunName.of(folder.relative_to(study).as_posix())
    assert name is not None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(_config(study.name, name, overrides or {})))
    (folder / "status.json").write_text(json.dumps(_status(name)))
    _cycles(labelled, curve, name.strategy).to_csv(folder / "cycles.csv", index=False)
    _queries(labelled, name).to_csv(folder / "queries.csv", index=False)
    pool = {"part": "pool", "images": POOL, "groups": GROUPS, **CLASSES}
    pd.DataFrame([pool]).to_csv(folder / "splits.csv", index=False)
    np.savez_compressed(folder / "predictions.npz", **_predictions(float(curve[-1]), name))


def _config(study: str, name: RunName, overrides: Mapping[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {
        "study": study,
        "seed": name.seed,
        "seeds": {"split": name.split or 0, "start": name.seed, "train": name.seed},
        "data": {
            "split": {"validation": 0.1, "test": 0.2},
            "source": {"_target_": "coilal.data.folder.ImageFolder", "root": "/nowhere"},
            "image": {"size": [56, 42], "fit": "squash", "mode": "L"},
        },
        "model": {"name": name.model, "optimizer": {"lr_head": 0.003}},
        "task": {"name": name.task},
        "strategy": {"name": name.strategy, "needs": []},
        "trainer": {"max_epochs": 50},
        "outputs": "outputs",
        "force": False,
    }
    for key, value in overrides.items():
        *path, last = key.split(".")
        node = config
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    return config


def _status(name: RunName) -> dict[str, Any]:
    return {
        "state": "done",
        "host": "here",
        "start": "2026-11-20T10:00:00+00:00",
        "task": name.task,
        "model": name.model,
        "strategy": name.strategy,
        "seeds": {"seed": name.seed, "split": name.split or 0, "start": name.seed, "train": name.seed},
        "weights": "0391b30f20c311a0",
        "data": {
            "images": POOL + VALIDATION + TEST,
            "fingerprint": "04c0297b",
            "split": {"pool": POOL, "validation": VALIDATION, "test": TEST},
        },
        "versions": {"python": "3.11.7", "coilal": "0.1.0"},
        "git_commit": "61b700741b6faa6207306d2130d3e01353c1ad61",
    }


def _cycles(labelled: Sequence[int], curve: np.ndarray, strategy: str) -> pd.DataFrame:
    table = pd.DataFrame({"cycle": range(len(labelled)), "labelled": labelled, "test/macro_f1": curve})
    table["test/accuracy"] = 1 - (1 - curve) / 2
    for place, name in enumerate(CLASSES):
        table[f"test/recall/{name}"] = curve ** (place + 1)
    table["test/escape_rate"], table["test/overkill_rate"] = (1 - curve) / 2, (1 - curve) / 3
    table["val/macro_f1"] = curve
    active = strategy != "random"
    table["fit_s"] = 1.0 + 0.01 * np.asarray(labelled)
    table["infer_s"], table["select_s"], table["evaluate_s"] = 0.5 * active, 0.1 * active, 0.2
    return table


def _predictions(right: float, name: RunName) -> dict[str, Any]:
    """Return what the model says of the test images, of which so large a share is right."""
    generator = np.random.default_rng([name.seed, name.split or 0, *name.strategy.encode()])
    targets = np.arange(TEST) % len(CLASSES)
    said = np.where(generator.random(TEST) < right, targets, (targets + 1) % len(CLASSES))
    sure = generator.uniform(0.5, 0.99, TEST)
    probabilities = np.repeat(((1 - sure) / (len(CLASSES) - 1))[:, None], len(CLASSES), axis=1)
    probabilities[np.arange(TEST), said] = sure
    images = [f"Spule{image % GROUPS:03}_Image{900 + image // GROUPS:04}.jpg" for image in range(TEST)]
    names = list(CLASSES)
    return {"images": images, "targets": targets, "probabilities": probabilities.astype(np.float32), "names": names}


def _queries(labelled: Sequence[int], name: RunName) -> pd.DataFrame:
    numbers = [name.seed, *([] if name.split is None else [name.split])]
    start = np.random.default_rng([*numbers, 1]).permutation(POOL)
    rest = start[labelled[0] :]
    order = [*start[: labelled[0]], *np.random.default_rng([*numbers, *name.strategy.encode()]).permutation(rest)]
    labels = [label for label, count in CLASSES.items() for _ in range(count)]
    rows = []
    for cycle, (first, last) in enumerate(zip([0, *labelled], labelled, strict=False)):
        for rank, image in enumerate(order[first:last]):
            file = f"Spule{image % GROUPS:03}_Image{image // GROUPS:04}.jpg"
            rows.append({"cycle": cycle, "rank": rank, "image": file, "score": None, "label": labels[image]})
    return pd.DataFrame(rows)
