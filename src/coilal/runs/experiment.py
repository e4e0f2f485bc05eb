"""The parts of a run that need torch: data, backbone, trainer, and the cycles; what runs can share is shared.

Importing this module imports all that every run needs, so that a process pays for it once and in one place.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from hydra.errors import InstantiationException
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Trainer

from coilal.active.labels import as_values
from coilal.common.array_store import seconds_waited
from coilal.common.instantiate import instantiate
from coilal.common.lean_imports import uncollected
from coilal.common.machine import cache_folder
from coilal.common.types import IntArray, UserError
from coilal.features.augment import Augmentation
from coilal.features.backbone import Backbone, PooledFeatures
from coilal.features.boundary import CacheSettings, Prefix, are_stored, boundary_outputs
from coilal.features.build import build_backbone
from coilal.fit.batches import infer, rows_of
from coilal.fit.cycles import ActiveLearning
from coilal.fit.loop import LabelledData, QueryRetrainLoop
from coilal.fit.measure import seconds
from coilal.fit.module import CoilModule, Optimizer
from coilal.fit.standardise import Inputs, Statistics, standardised
from coilal.run_directory.aulc import aulc
from coilal.run_directory.files import read_status
from coilal.run_directory.learning_curve import learning_curve
from coilal.runs import shared
from coilal.runs.loggers.run_logger import Predicted, RunInfo, RunLogger
from coilal.runs.plan import Plan
from coilal.runs.precision import ensure_as_asked, set_tf32, words
from coilal.runs.prepare import Prepared, describe, prepare
from coilal.runs.progress import RunProgress
from coilal.runs.recorder import Recorder
from coilal.runs.rules import resolved
from coilal.runs.sessions import open_session

log = logging.getLogger(__name__)

STATISTICS_IMAGES = 2048  # unlabelled images whose features standardise the head's inputs

# Groups of settings that cannot change the prefix's outputs, or only through what ``_prefix_identity`` names. A
# new group counts as one that can.
NO_MATTER_FOR_BOUNDARY = (
    *("model", "trainer", "task", "strategy", "budget", "seed", "seeds", "hparams", "logger"),
    *("study", "outputs", "records", "force", "experiment", "score_validation"),
)


@dataclass(frozen=True)
class Experiment:
    """What a run works with.

    Attributes:
        cfg: its settings.
        plan: task, strategy and budget.
        prepared: the data.
        load_backbone: gives it with its initial weights.
        weights: their fingerprint.
        trainer: Lightning's.
        folder: the run directory.
        decode_s: seconds that the data took.
        reread: whether earlier versions computed other features with these weights.
    """

    cfg: DictConfig
    plan: Plan
    prepared: Prepared
    load_backbone: Callable[[], Backbone]
    weights: str
    trainer: Trainer
    folder: Path
    decode_s: float
    reread: bool = False

    def title(self) -> str:
        """Return what is run, for people."""
        cfg = self.cfg
        return f"{cfg.task.name} · {cfg.model.name} · {cfg.strategy.name} · seed {cfg.seed}"


def load_data(cfg: DictConfig, plan: Plan) -> tuple[Prepared, float]:
    """Return the checked, split and decoded data and the seconds spent on them, waiting for others left out.

    Runs of one process read the same data once.
    """
    start, waited = time.perf_counter(), seconds_waited()
    determined_by = {
        "data": OmegaConf.to_container(cfg.data, resolve=True),
        "cache": OmegaConf.to_container(cfg.cache, resolve=True),
        "records": cfg.records,
        "split": cfg.seeds.split,
        "task": OmegaConf.to_container(cfg.task.module, resolve=True),
        "budget": plan.budget,
    }
    prepared = shared.PREPARED.get(
        determined_by, lambda: prepare(cfg, plan.task, plan.budget, oracle_is_simulated=True)
    )
    spent = time.perf_counter() - start - (seconds_waited() - waited)
    describe(prepared)
    return prepared, spent


def backbone_loader(cfg: DictConfig, weights: Path | None, fingerprint: str) -> Callable[[], Backbone]:
    """Return what gives the backbone with its initial weights, loaded once for all runs of this process."""
    height, width = cfg.data.image.size
    channels = 1 if cfg.data.image.mode == "L" else 3

    def load() -> shared.Loaded:
        with uncollected():  # the library of the backbone
            return shared.Loaded(
                build_backbone(
                    instantiate(cfg.model.trunk),
                    weights,
                    (int(height), int(width)),
                    cfg.model.pooling,
                    cfg.model.trainable,
                    (cfg.model.normalisation.mean, cfg.model.normalisation.std),
                    cfg.seeds.train,
                    channels,
                )
            )

    determined_by = {**_cut(cfg, fingerprint), "size": [height, width], "channels": channels}
    return lambda: shared.BACKBONES.get(determined_by, load).untrained()


def ensure_weights_fit(
    cfg: DictConfig, weights: Path | None, fingerprint: str, load: Callable[[], Backbone]
) -> bool:
    """Load the backbone unless its weights are known to fit it: they are refused before images are decoded.

    That they fit, and how, is noted in the cache, and said again where it is known; features stored by earlier
    versions may be those of weights that do not.

    Returns:
        Whether earlier versions computed other features with these weights; see ``Trunk.reread``.
    """
    if weights is None:
        return False
    trunk = OmegaConf.to_container(cfg.model.trunk, resolve=True)
    facts = [fingerprint, trunk, version("timm"), version("transformers")]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]
    note = cache_folder(cfg.cache.dir) / "weights" / f"{digest}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        noted = json.loads(note.read_text(encoding="utf-8"))
        reread, told = bool(noted["reread"]), str(noted["told"])
        log.info("%s", told)
        return reread
    fitted = load().trunk
    with contextlib.suppress(OSError):  # without the note they are looked at again next time
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps({"reread": fitted.reread, "told": fitted.told}), encoding="utf-8")
    return fitted.reread


def ensure_backbone(experiment: Experiment) -> None:
    """Load the backbone now if it will be needed, so that what is wrong with it is said before anything is written.

    Where the head alone is trained and the features are stored, nobody needs it, nor its library.
    """
    cfg, images = experiment.cfg, experiment.prepared.images
    needed = not _head_alone(cfg) or not are_stored(
        _prefix(experiment), images, _cache_settings(experiment), Augmentation(**cfg.augmentation)
    )
    if needed:
        experiment.load_backbone()


def build_trainer(cfg: DictConfig, folder: Path) -> Trainer:
    """Return Lightning's trainer; it writes nothing before it fits.

    Raises:
        UserError: Lightning refuses a setting of the trainer, or this machine lacks what it asks for.
    """
    try:
        trainer: Trainer = instantiate(
            cfg.trainer,
            # Signals belong to submitit: found by itself, Lightning's SLURM environment would requeue the job, too.
            plugins=[LightningEnvironment()],
            logger=[instantiate(logger) for logger in cfg.logger.values()] or False,
            default_root_dir=folder,
            num_sanity_val_steps=0,
            limit_val_batches=0,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    except (MisconfigurationException, InstantiationException, ImportError, TypeError, ValueError) as error:
        reason = str(error).removesuffix("full_key: trainer").strip()  # Hydra adds where it was building
        raise UserError(f"the trainer cannot be built with these settings (trainer.…): {reason}") from error
    if (devices := trainer.num_devices * trainer.num_nodes) > 1:
        raise UserError(
            f"this trainer would start {devices} processes for one run (trainer.devices, trainer.num_nodes), and a "
            "run takes one: set trainer.devices=1, and no num_nodes. A grid (-m) uses all GPUs, one a run."
        )
    ensure_as_asked(cfg.trainer.precision, trainer.precision_plugin)
    set_tf32(cfg.tf32, trainer.strategy.root_device)
    return trainer


def quieten_libraries() -> None:
    """Hide what a user can do nothing about; what the trainer uses is logged by the run itself."""
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)  # tips, "fit stopped"
    logging.getLogger("timm").setLevel(logging.WARNING)  # "loading from …"; weights are logged by the run
    warnings.filterwarnings("ignore", message="The number of training batches")  # a cycle is one point of the log
    warnings.filterwarnings("ignore", message="The `srun` command is available")  # grids go through submitit
    warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")


def learn(experiment: Experiment) -> float:
    """Run the cycles that are left, draw the curve, and return the validation AULC."""
    cfg, plan, prepared, trainer = experiment.cfg, experiment.plan, experiment.prepared, experiment.trainer
    oracle = plan.oracle(prepared)
    session = open_session(experiment.folder, prepared, oracle)
    recorder = Recorder(experiment.folder, prepared, plan.task.kind, session)
    counts = plan.counts(len(prepared.split.pool))
    metric, curve = f"test/{plan.task.primary}", experiment.folder / "curve.png"
    predicted = Predicted(prepared.samples.names, prepared.targets.names)
    told = [logger for logger in trainer.loggers if isinstance(logger, RunLogger)]
    with RunProgress(experiment.title(), len(counts) - 1, metric, first=recorder.finished) as progress:
        inputs, extract_s = _inputs(experiment, progress)
        for logger in told:
            logger.begin(
                RunInfo(resolved(cfg), read_status(experiment.folder)["identity"], recorder, metric, predicted)
            )
        if recorder.finished < len(counts):
            if not session.batches:
                session.ask(lambda _: plan.starting_set(prepared))
            learning = ActiveLearning(
                session=session,
                answer=oracle.answer,
                values=partial(as_values, names=prepared.targets.names),
                boundary=inputs.boundary,
                kind=plan.task.kind,
                counts=counts,
                choose=partial(plan.choose, prepared),
                needs_logits=plan.needs_logits,
                evaluated=plan.evaluated(prepared),
                evaluate=plan.evaluator(prepared),
                names=prepared.samples.names,
                asked=predicted.note,
                store=recorder,
                progress=progress,
                seed=cfg.seeds.train,
                batch_size=cfg.model.batch_size,
                inference_batch=_inference_batch(cfg),
                precision=trainer.precision_plugin.forward_context,
                memory=int(cfg.cache.memory_gb * 1e9),
                preparation={"decode_s": experiment.decode_s, "extract_s": extract_s},
            )
            trainer.fit_loop = QueryRetrainLoop(trainer, learning)
            trainer.fit(_module(experiment, inputs), datamodule=LabelledData(learning))
        cycles = recorder.cycles()
        note = "random weights" if experiment.weights == "random" else None
        learning_curve(cycles, curve, experiment.title(), metric, note)
        for logger in told:
            logger.end(cycles, curve)
        progress.closing_table(cycles, curve)
    if not plan.scores_validation:
        return math.nan
    return aulc(cycles["labelled"], cycles[f"val/{plan.task.primary}"])


def _inputs(experiment: Experiment, progress: RunProgress) -> tuple[Inputs, float]:
    """Return what training and scoring read, and the seconds that took, waiting for others left out."""
    cfg, device = experiment.cfg, experiment.trainer.strategy.root_device
    weights, source = experiment.weights, cfg.hparams.source
    how = words(_precision(experiment), cfg.tf32, device)
    log.info("device: %s, %s; weights %s, hyperparameters %s", device, how, weights, source)
    pool = experiment.prepared.split.pool
    some = pool[:: max(1, len(pool) // STATISTICS_IMAGES)]
    settings = {
        **_boundary_settings(experiment),
        "statistics": hashlib.sha256(some.tobytes()).hexdigest(),
    }
    progress.phase("extract")
    start, waited = seconds(device), seconds_waited()
    inputs = shared.INPUTS.get(settings, lambda: _read_inputs(experiment, device, some, progress))
    return inputs, seconds(device) - start - (seconds_waited() - waited)


def _read_inputs(experiment: Experiment, device: torch.device, some: IntArray, progress: RunProgress) -> Inputs:
    cfg = experiment.cfg
    precision = experiment.trainer.precision_plugin.forward_context
    boundary = boundary_outputs(
        _prefix(experiment),
        experiment.prepared.images,
        _cache_settings(experiment),
        device,
        precision,
        Augmentation(**cfg.augmentation),
        lambda done, total: progress.phase(f"extract {done}/{total}"),
    )
    if _head_alone(cfg):
        features = rows_of(boundary, some)
    else:
        backbone = experiment.load_backbone().to(device)
        features = infer(backbone, boundary, some, _inference_batch(cfg), precision, backbone.suffix)
    return standardised(boundary, Statistics.of(features))


def _module(experiment: Experiment, inputs: Inputs) -> CoilModule:
    cfg, plan = experiment.cfg, experiment.plan
    settings, scale = cfg.model.optimizer, cfg.task.lr_scale
    backbone = PooledFeatures(inputs.boundary.shape[1]) if _head_alone(cfg) else experiment.load_backbone()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cfg.seeds.train)
        module = CoilModule(
            backbone,
            len(experiment.prepared.targets.names),
            plan.task,
            Optimizer(settings.lr_head * scale, settings.lr_backbone * scale, settings.weight_decay),
            tuple(cfg.model.head.hidden),
            cfg.model.head.dropout,
            cfg.model.compile,
        )
    module.standardise(inputs.statistics, inputs.standardised)
    return module


def _head_alone(cfg: DictConfig) -> bool:
    """Return whether nothing of the backbone is trained."""
    return bool(cfg.model.trainable == "head")


def _inference_batch(cfg: DictConfig) -> int:
    """Return how many images are scored at once: features cost little memory, activations much."""
    return 4096 if _head_alone(cfg) else 64


def _cache_settings(experiment: Experiment) -> CacheSettings:
    cache = experiment.cfg.cache
    precision = cache.precision
    if precision == "auto" and _precision(experiment) == "32-true":
        precision = "float32"  # the same files as for who asks for it
    return CacheSettings(cache_folder(cache.dir), precision, cache.max_gb, cache.memory_gb)


def _precision(experiment: Experiment) -> str:
    """Return Lightning's own name of the precision, of which the settings know several: 32, 32-true."""
    return str(experiment.trainer.precision_plugin.precision)


def _prefix(experiment: Experiment) -> Prefix:
    trainable = experiment.cfg.model.trainable
    return Prefix(_prefix_identity(experiment), trainable, experiment.load_backbone)


def _prefix_identity(experiment: Experiment) -> dict[str, Any]:
    """Return what determines the prefix's outputs, besides the images; only of the head are they pooled."""
    cut = _cut(experiment.cfg, experiment.weights)
    if not _head_alone(experiment.cfg):
        del cut["pooling"]
    device = experiment.trainer.strategy.root_device.type
    identity = {**cut, "precision": _precision(experiment), "device": device}
    if device == "cuda":  # elsewhere it has no effect, and older files keep their key
        identity["tf32"] = experiment.cfg.tf32
    if experiment.reread:
        identity["reread"] = True
    return identity


def _cut(cfg: DictConfig, weights: str) -> dict[str, Any]:
    """Return what determines the backbone and where it is cut; random weights depend on the seed."""
    model: Any = OmegaConf.to_container(cfg.model, resolve=True)
    parts = {key: model[key] for key in ("trunk", "normalisation", "pooling")}
    seed = cfg.seeds.train if weights == "random" else None
    return {**parts, "trainable": str(cfg.model.trainable), "weights": weights, "seed": seed}


def _boundary_settings(experiment: Experiment) -> dict[str, Any]:
    """Return what determines the prefix's outputs, their statistics and how they are opened."""
    settings = {k: value for k, value in resolved(experiment.cfg).items() if k not in NO_MATTER_FOR_BOUNDARY}
    return {
        **settings,
        "backbone": _cut(experiment.cfg, experiment.weights),
        "prefix": _prefix_identity(experiment),
        "images": experiment.prepared.images.fingerprint,
    }
