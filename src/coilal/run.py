"""run(cfg): the one place that builds the parts from the settings; the settings stop here."""

from __future__ import annotations

import logging
import math
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf

from coilal import shared
from coilal.instantiate import instantiate
from coilal.models import weights as weights_files
from coilal.plan import Plan, run_folder
from coilal.provenance import initial_status
from coilal.results import identity
from coilal.results.curves import aulc
from coilal.results.run_files import lock, now, read_status, write_atomically, write_status
from coilal.settings import checked, resolved
from coilal.types import UserError

if TYPE_CHECKING:
    from pytorch_lightning import Trainer

    from coilal.models.backbone import Backbone
    from coilal.models.module import Optimizer
    from coilal.prepare import Prepared

log = logging.getLogger(__name__)

STATISTICS_IMAGES = 2048  # unlabelled images whose features standardise the head's inputs


def run(cfg: DictConfig) -> float:
    """Run one active-learning experiment, or skip it if it is done, or go on if it was cut off.

    Returns:
        The area under the validation learning curve (AULC), for a hyperparameter search; NaN where the
        validation split is not scored (``score_validation``).

    Raises:
        UserError: the settings or the data are wrong; then nothing was written.
    """
    config = checked(cfg)
    folder = run_folder(cfg)
    if is_done(folder, config, cfg.force):
        log.info("%s is finished; skipped (force=true does it again)", folder)
        return objective(folder)
    weights_files.ensure_reachable(cfg.model.weights, cfg.model.hub, cfg.model.name)  # before slow imports
    plan = Plan.of(cfg)
    weights = weights_files.resolve(cfg.model.weights, cfg.model.hub, cfg.model.name)
    from coilal.prepare import describe, prepare

    started = time.perf_counter()
    log.info("run: %s", folder)
    prepared = prepare(cfg, plan.task, plan.budget)
    decode_s = time.perf_counter() - started
    describe(prepared)
    _quieten_libraries()
    fingerprint = weights_files.fingerprint(weights)
    backbone = _backbone(cfg, weights, fingerprint)
    trainer = _trainer(cfg, folder)
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder):
        if is_done(folder, config, cfg.force):  # another process may have finished it meanwhile
            return objective(folder)
        if cfg.force:
            remove_results(folder)
        elif failed_at_start(folder):
            log.info("%s holds a run that failed in its first cycle: replaced", folder)
        status = initial_status(cfg, identity.identity_hash(config), prepared, fingerprint)
        write_atomically(folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(config)))
        write_atomically(folder / "splits.csv", prepared.counts.to_csv())
        write_status(folder, {**status, "state": "running"})
        try:
            value = _learn(cfg, plan, prepared, backbone, trainer, fingerprint, folder, decode_s)
        except Exception as error:  # not SystemExit: a preempted or interrupted run has not failed
            reason = f"{type(error).__name__}: {error}"
            write_status(folder, {**status, "state": "failed", "end": now(), "error": reason})
            raise
        seconds = round(time.perf_counter() - started, 1)
        stored = None if math.isnan(value) else value  # JSON has no NaN
        done = {"state": "done", "end": now(), "seconds": seconds, "validation_aulc": stored}
        write_status(folder, {**status, **done})
    return value


def is_done(folder: Path, config: dict[str, Any], force: bool) -> bool:
    """Return whether the run is finished.

    Raises:
        UserError: the directory belongs to a run with other settings, and there is something in it to keep.
    """
    if force or not (folder / "config.yaml").exists() or failed_at_start(folder):
        return False
    old = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
    assert isinstance(old, dict)
    differing = identity.differences({str(key): value for key, value in old.items()}, config)
    if differing:
        raise UserError(
            f"{folder} holds a run with other settings (there → here):\n  "
            + "\n  ".join(differing[:20])
            + "\nGive this run another study=…, or replace the old one with force=true."
        )
    return bool(read_status(folder).get("state") == "done")


def failed_at_start(folder: Path) -> bool:
    """Return whether a run failed before a cycle was finished, so that there is nothing to keep."""
    return read_status(folder).get("state") == "failed" and not (folder / "checkpoints" / "state.json").exists()


def objective(folder: Path) -> float:
    """Return the validation AULC of a finished run, NaN where the validation split was not scored."""
    value = read_status(folder)["validation_aulc"]
    return math.nan if value is None else float(value)


def remove_results(folder: Path) -> None:
    """Remove what an earlier run left, the record first, so that a kill in between leaves no mixture."""
    for name in (
        "checkpoints/state.json",
        "status.json",
        "config.yaml",
        "cycles.csv",
        "queries.csv",
        "predictions.npz",
    ):
        (folder / name).unlink(missing_ok=True)


def _backbone(cfg: DictConfig, weights: Path | None, fingerprint: str) -> Backbone:
    """Return the backbone with its initial weights, loaded once for all runs of this process."""
    from coilal.models.build import build_backbone

    height, width = cfg.data.image.size

    def load() -> shared.Loaded:
        return shared.Loaded(
            build_backbone(
                instantiate(cfg.model.trunk),
                weights,
                (int(height), int(width)),
                cfg.model.pooling,
                cfg.model.trainable,
                (cfg.model.normalisation.mean, cfg.model.normalisation.std),
                cfg.seeds.train,
            )
        )

    determined_by = {**_cut(cfg, fingerprint), "size": [height, width]}
    return shared.BACKBONES.get(determined_by, load).untrained()


def _trainer(cfg: DictConfig, folder: Path) -> Trainer:
    """Return Lightning's trainer; it writes nothing before it fits.

    Raises:
        UserError: Lightning refuses a setting of the trainer, or this machine lacks what it asks for.
    """
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment
    from lightning_fabric.utilities.exceptions import MisconfigurationException

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
    except (MisconfigurationException, InstantiationException, TypeError, ValueError) as error:
        reason = str(error).removesuffix("full_key: trainer").strip()  # Hydra adds where it was building
        raise UserError(f"the trainer cannot be built with these settings (trainer.…): {reason}") from error
    return trainer


def _learn(
    cfg: DictConfig,
    plan: Plan,
    prepared: Prepared,
    backbone: Backbone,
    trainer: Trainer,
    weights: str,
    folder: Path,
    decode_s: float,
) -> float:
    """Run the cycles that are left, draw the curve, and return the validation AULC."""
    import torch

    from coilal.batches import infer
    from coilal.learning import ActiveLearning
    from coilal.loggers.run_logger import Predicted, RunInfo, RunLogger
    from coilal.loop import LabelledData, QueryRetrainLoop
    from coilal.measure import seconds
    from coilal.models.augment import Augmentation
    from coilal.models.features import CacheSettings, boundary_outputs
    from coilal.models.module import CoilModule
    from coilal.recorder import Recorder
    from coilal.results.figures import learning_curve
    from coilal.results.progress import RunProgress

    recorder = Recorder(folder, prepared, plan.task.kind)
    device = trainer.strategy.root_device
    precision = trainer.precision_plugin.forward_context
    log.info(
        "device: %s, precision %s; %s, hyperparameters: %s",
        device,
        cfg.trainer.precision,
        weights,
        cfg.hparams.source,
    )
    counts = plan.counts(len(prepared.split.pool))
    title = f"{cfg.task.name} · {cfg.model.name} · {cfg.strategy.name} · seed {cfg.seed}"
    with RunProgress(title, len(counts) - 1, f"test/{plan.task.primary}", first=recorder.finished) as progress:
        progress.phase("extract")
        start = seconds(device)
        boundary = shared.BOUNDARIES.get(
            _boundary_settings(cfg, weights, device, prepared.images.fingerprint),
            lambda: boundary_outputs(
                backbone,
                prepared.images,
                _prefix_identity(cfg, weights, device),
                CacheSettings(
                    Path(cfg.cache.dir).expanduser(), cfg.cache.precision, cfg.cache.max_gb, cfg.cache.memory_gb
                ),
                device,
                precision,
                Augmentation(**cfg.augmentation),
                lambda done, total: progress.phase(f"extract {done}/{total}"),
            ),
        )
        extract_s = seconds(device) - start
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(cfg.seeds.train)
            module = CoilModule(
                backbone,
                len(prepared.targets.names),
                plan.task,
                _optimizer(cfg),
                tuple(cfg.model.head.hidden),
                cfg.model.head.dropout,
                cfg.model.compile,
            )
        inference_batch = 4096 if backbone.trainable == "head" else 64
        some = prepared.split.pool[:: max(1, len(prepared.split.pool) // STATISTICS_IMAGES)]
        module.to(device)
        module.standardise(infer(module, boundary, some, inference_batch, precision, backbone.suffix))
        select = Predicted(plan.selector(prepared), prepared.samples.names, prepared.targets.names)
        learning = ActiveLearning(
            pool=plan.pool(prepared, recorder),
            oracle=plan.oracle(prepared),
            boundary=boundary,
            kind=plan.task.kind,
            counts=counts,
            select=select,
            needs_logits=plan.needs_logits,
            evaluated=plan.evaluated(prepared),
            evaluate=plan.evaluator(prepared),
            names=prepared.samples.names,
            store=recorder,
            progress=progress,
            seed=cfg.seeds.train,
            batch_size=cfg.model.batch_size,
            inference_batch=inference_batch,
            precision=precision,
            memory=int(cfg.cache.memory_gb * 1e9),
            preparation={"decode_s": decode_s, "extract_s": extract_s},
        )
        told = [logger for logger in trainer.loggers if isinstance(logger, RunLogger)]
        info = RunInfo(resolved(cfg), recorder, f"test/{plan.task.primary}", select)
        for logger in told:
            logger.begin(info)
        if recorder.finished < len(counts):
            trainer.fit_loop = QueryRetrainLoop(trainer, learning)
            trainer.fit(module, datamodule=LabelledData(learning))
        cycles = recorder.cycles()
        note = "random weights" if weights == "random" else None
        learning_curve(cycles, folder / "curve.png", title, f"test/{plan.task.primary}", note)
        for logger in told:
            logger.end(cycles, folder / "curve.png")
        progress.closing_table(cycles, folder / "curve.png")
        if not plan.scores_validation:
            return math.nan
        return aulc(cycles["labelled"], cycles[f"val/{plan.task.primary}"])


def _quieten_libraries() -> None:
    """Hide what a user can do nothing about; what the trainer uses is logged by the run itself."""
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)  # tips, "fit stopped"
    logging.getLogger("timm").setLevel(logging.WARNING)  # "loading from …"; weights are logged by the run
    warnings.filterwarnings("ignore", message="The number of training batches")  # a cycle is one point of the log
    warnings.filterwarnings("ignore", message="The `srun` command is available")  # grids go through submitit
    warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")


def _optimizer(cfg: DictConfig) -> Optimizer:
    from coilal.models.module import Optimizer

    settings, scale = cfg.model.optimizer, cfg.task.lr_scale
    return Optimizer(settings.lr_head * scale, settings.lr_backbone * scale, settings.weight_decay)


def _prefix_identity(cfg: DictConfig, weights: str, device: Any) -> dict[str, Any]:
    return {**_cut(cfg, weights), "precision": str(cfg.trainer.precision), "device": device.type}


def _cut(cfg: DictConfig, weights: str) -> dict[str, Any]:
    """Return what determines the backbone and where it is cut; random weights depend on the seed."""
    model: Any = OmegaConf.to_container(cfg.model, resolve=True)
    parts = {key: model[key] for key in ("trunk", "normalisation", "pooling", "trainable")}
    return {**parts, "weights": weights, "seed": cfg.seeds.train if weights == "random" else None}


# Groups of settings that cannot change the prefix's outputs, or only through what ``_prefix_identity`` names. A
# new group counts as one that can.
NO_MATTER_FOR_BOUNDARY = (
    *("model", "trainer", "task", "strategy", "budget", "seed", "seeds", "hparams", "logger"),
    *("study", "outputs", "force", "experiment", "score_validation"),
)


def _boundary_settings(cfg: DictConfig, weights: str, device: Any, images: str) -> dict[str, Any]:
    """Return what determines the prefix's outputs and how they are opened, to share them between runs."""
    settings = {key: value for key, value in resolved(cfg).items() if key not in NO_MATTER_FOR_BOUNDARY}
    return {**settings, "prefix": _prefix_identity(cfg, weights, device), "images": images}
