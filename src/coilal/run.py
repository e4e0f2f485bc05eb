"""run(cfg): the one place that builds the parts from the settings; the settings stop here."""

from __future__ import annotations

import logging
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue

from coilal.instantiate import instantiate
from coilal.models import weights as weights_files
from coilal.plan import Plan, run_folder
from coilal.results import identity
from coilal.results.curves import aulc
from coilal.results.store import lock, read_status, write_atomically, write_status
from coilal.status import initial_status, now
from coilal.types import UserError

if TYPE_CHECKING:
    from coilal.models.backbone import Backbone
    from coilal.models.module import Optimizer
    from coilal.prepare import Prepared

log = logging.getLogger(__name__)

STATISTICS_IMAGES = 2048  # unlabelled images whose features standardise the head's inputs


def run(cfg: DictConfig) -> float:
    """Run one active-learning experiment, or skip it if it is done, or go on if it was cut off.

    Returns:
        The area under the validation learning curve (AULC), for a hyperparameter search.

    Raises:
        UserError: the settings or the data are wrong; then nothing was written.
    """
    config = resolved(cfg)
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
    describe(prepared)
    _quieten_libraries()
    backbone = _backbone(cfg, weights)
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder):
        if is_done(folder, config, cfg.force):  # another process may have finished it meanwhile
            return objective(folder)
        if cfg.force:
            _remove_results(folder)
        status = initial_status(cfg, identity.identity_hash(config), prepared, weights)
        write_atomically(folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(config)))
        write_atomically(folder / "splits.csv", prepared.counts.to_csv())
        write_status(folder, {**status, "state": "running"})
        try:
            value = _learn(cfg, plan, prepared, backbone, status["weights"], folder)
        except BaseException as error:
            reason = f"{type(error).__name__}: {error}"
            write_status(folder, {**status, "state": "failed", "end": now(), "error": reason})
            raise
        seconds = round(time.perf_counter() - started, 1)
        done = {"state": "done", "end": now(), "seconds": seconds, "validation_aulc": value}
        write_status(folder, {**status, **done})
    return value


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """Return the settings with all references resolved.

    Raises:
        UserError: a setting that the user must give is missing.
    """
    try:
        config = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        key = getattr(error, "full_key", None) or str(error)
        raise UserError(f"the setting {key} is needed: give it as {key}=…") from error
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items()}


def is_done(folder: Path, config: dict[str, Any], force: bool) -> bool:
    """Return whether the run is finished.

    Raises:
        UserError: the directory belongs to a run with other settings.
    """
    if force or not (folder / "config.yaml").exists():
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


def objective(folder: Path) -> float:
    """Return the validation AULC of a finished run."""
    return float(read_status(folder)["validation_aulc"])


def _remove_results(folder: Path) -> None:
    """Remove what an earlier run left, the record first, so that a kill in between leaves no mixture."""
    for name in ("checkpoints/state.json", "status.json", "cycles.csv", "queries.csv", "predictions.npz"):
        (folder / name).unlink(missing_ok=True)


def _backbone(cfg: DictConfig, weights: Path | None) -> Backbone:
    from coilal.models.build import build_backbone

    height, width = cfg.data.image.size
    return build_backbone(
        instantiate(cfg.model.trunk),
        weights,
        (int(height), int(width)),
        cfg.model.pooling,
        cfg.model.trainable,
        (cfg.model.normalisation.mean, cfg.model.normalisation.std),
        cfg.seeds.train,
    )


def _learn(
    cfg: DictConfig, plan: Plan, prepared: Prepared, backbone: Backbone, weights: str, folder: Path
) -> float:
    """Run the cycles that are left, draw the curve, and return the validation AULC."""
    import torch

    from coilal.loop import ActiveLearning, LabelledData, QueryRetrainLoop, infer
    from coilal.models.features import boundary_outputs
    from coilal.models.module import CoilModule
    from coilal.recorder import Recorder
    from coilal.results.figures import learning_curve
    from coilal.results.progress import RunProgress

    recorder = Recorder(folder, prepared, plan.task.kind)
    trainer = instantiate(
        cfg.trainer,
        logger=[instantiate(logger) for logger in cfg.logger.values()] or False,
        default_root_dir=folder,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
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
        boundary = boundary_outputs(
            backbone,
            prepared.images,
            _prefix_identity(cfg, weights, device),
            Path(cfg.cache.dir).expanduser(),
            device,
            precision,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(cfg.seeds.train)
            module = CoilModule(
                backbone,
                len(prepared.targets.names),
                plan.task,
                _optimizer(cfg),
                tuple(cfg.model.head.hidden),
                cfg.model.head.dropout,
            )
        inference_batch = 4096 if backbone.trainable == "head" else 64
        some = prepared.split.pool[:: max(1, len(prepared.split.pool) // STATISTICS_IMAGES)]
        module.to(device)
        module.standardise(infer(module, boundary, some, inference_batch, precision, backbone.suffix))
        learning = ActiveLearning(
            pool=plan.pool(prepared, recorder),
            oracle=plan.oracle(prepared),
            boundary=boundary,
            kind=plan.task.kind,
            counts=counts,
            select=plan.selector(prepared),
            needs_logits=plan.needs_logits,
            evaluated={"test": prepared.split.test, "val": prepared.split.validation},
            evaluate=plan.evaluator(prepared),
            names=prepared.samples.names,
            store=recorder,
            progress=progress,
            seed=cfg.seeds.train,
            batch_size=cfg.model.batch_size,
            inference_batch=inference_batch,
            precision=precision,
        )
        if recorder.finished < len(counts):
            trainer.fit_loop = QueryRetrainLoop(trainer, learning)
            trainer.fit(module, datamodule=LabelledData(learning))
        cycles = recorder.cycles()
        note = "random weights" if weights == "random" else None
        learning_curve(cycles, folder / "curve.png", title, f"test/{plan.task.primary}", note)
        progress.closing_table(cycles, folder / "curve.png")
        return aulc(cycles["labelled"], cycles[f"val/{plan.task.primary}"])


def _quieten_libraries() -> None:
    """Hide what a user can do nothing about; what the trainer uses is logged by the run itself."""
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)  # tips, "fit stopped"
    logging.getLogger("timm").setLevel(logging.WARNING)  # "loading from …"; weights are logged by the run
    warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")


def _optimizer(cfg: DictConfig) -> Optimizer:
    from coilal.models.module import Optimizer

    settings, scale = cfg.model.optimizer, cfg.task.lr_scale
    return Optimizer(settings.lr_head * scale, settings.lr_backbone * scale, settings.weight_decay)


def _prefix_identity(cfg: DictConfig, weights: str, device: Any) -> dict[str, Any]:
    model: Any = OmegaConf.to_container(cfg.model, resolve=True)
    determined_by = {key: model[key] for key in ("trunk", "normalisation", "pooling", "trainable")}
    seed = cfg.seeds.train if weights == "random" else None
    computed = {"precision": str(cfg.trainer.precision), "device": device.type, "seed": seed}
    return {**determined_by, **computed, "weights": weights}
