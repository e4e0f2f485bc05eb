"""run(cfg): one experiment from its settings to a finished run directory, or what is left to do of it."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from coilal.common.lean_imports import uncollected
from coilal.common.types import UserError
from coilal.features import weights as weights_files
from coilal.run_directory import identity
from coilal.run_directory.data_record import GIVEN_SPLIT
from coilal.run_directory.files import (
    ensure_writable,
    has_cycles,
    lock,
    now,
    read_status,
    run_folder,
    write_atomically,
    write_failure,
    write_status,
)
from coilal.run_directory.health import SESSION, ensure_sound, read_config
from coilal.runs import same_data
from coilal.runs.hparams import ensure_found_on
from coilal.runs.provenance import initial_status
from coilal.runs.rules import checked

if TYPE_CHECKING:
    from coilal.runs.experiment import Experiment
    from coilal.runs.plan import Plan

log = logging.getLogger(__name__)


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
        same_data.ensure_of_finished(cfg, folder, same_data.Now())
        log.info("%s is finished; skipped (force=true does it again)", folder)
        return objective(folder)
    ensure_writable(folder)
    plan, weights = _settled(cfg)
    from coilal.runs import experiment

    started = time.perf_counter()
    log.info("run: %s", folder)
    parts = _checked_parts(cfg, plan, weights, folder)
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder):
        if is_done(folder, config, cfg.force):  # another process may have finished it meanwhile
            return objective(folder)
        status = _begin(parts, config)
        try:
            value = experiment.learn(parts)
        except Exception as error:  # not SystemExit: a preempted or interrupted run has not failed
            write_failure(folder, status, error)
            raise
        seconds = round(time.perf_counter() - started, 1)
        stored = None if math.isnan(value) else value  # JSON has no NaN
        done = {"state": "done", "end": now(), "seconds": seconds, "validation_aulc": stored}
        write_status(folder, {**status, **done})
    return value


def _settled(cfg: DictConfig) -> tuple[Plan, Path | None]:
    """Return what the run will do and the file of its weights, before slow imports."""
    weights_files.ensure_reachable(cfg.model.weights, cfg.model.hub, cfg.model.name)
    with uncollected():
        from coilal.runs.plan import (
            Plan,  # the tables; a launcher, which only asks whether a run is done, needs none
        )

        plan = Plan.of(cfg)
        weights = weights_files.resolve(cfg.model.weights, cfg.model.hub, cfg.model.name)
        import coilal.runs.experiment  # noqa: F401
    return plan, weights


def _checked_parts(cfg: DictConfig, plan: Plan, weights: Path | None, folder: Path) -> Experiment:
    """Return trainer, weights and data, checked against each other and against what lies in the run directory."""
    from coilal.runs import experiment

    experiment.quieten_libraries()
    trainer = experiment.build_trainer(cfg, folder)
    fingerprint = weights_files.fingerprint(weights)
    load = experiment.backbone_loader(cfg, weights, fingerprint)
    reread = experiment.ensure_weights_fit(cfg, weights, fingerprint, load)
    prepared, decode_s = experiment.load_data(cfg, plan)
    ensure_found_on(cfg.hparams, prepared.images.fingerprint)
    if cfg.task.replay:
        same_data.ensure_of_replayed(cfg, run_folder(cfg, task=cfg.task.replay), prepared)
    if not cfg.force:
        same_data.ensure_of_begun(cfg, folder, prepared, fingerprint)
    same_data.tell_of_other_runs(cfg, folder, prepared)
    parts = experiment.Experiment(cfg, plan, prepared, load, fingerprint, trainer, folder, decode_s, reread)
    experiment.ensure_backbone(parts)
    return parts


def _begin(parts: Experiment, config: dict[str, Any]) -> dict[str, Any]:
    """Write what a run is, the directory being locked; return its status.json."""
    cfg, folder, prepared = parts.cfg, parts.folder, parts.prepared
    if cfg.force:
        remove_results(folder)
    elif failed_at_start(folder):
        log.info("%s holds a run that failed in its first cycle: replaced", folder)
    else:  # another process may have begun it meanwhile
        same_data.ensure_of_begun(cfg, folder, prepared, parts.weights)
        _tell_of_tf32(folder, parts.trainer.strategy.root_device.type)
    if not has_cycles(folder):  # what the oracle of a study has told of a starting set alone, it tells again
        (folder / SESSION).unlink(missing_ok=True)
    prepared.keep_records()
    name = read_status(folder).get("identity") if has_cycles(folder) else None
    name = name or identity.identity_hash(config, {**prepared.record.aspects, "weights": parts.weights})
    status = initial_status(cfg, name, prepared, parts.weights)
    write_atomically(folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(config)))
    write_atomically(folder / "splits.csv", prepared.counts.to_csv())
    write_status(folder, {**status, "state": "running"})
    return status


def _tell_of_tf32(folder: Path, device: str) -> None:
    """Say that the cycles an earlier version has done on a GPU were computed with TF32 in convolutions."""
    begun = has_cycles(folder) and device == "cuda"
    if begun and "tf32" not in read_config(folder / "config.yaml"):
        log.warning(
            "%s was begun by a version that let torch round convolutions to TF32, and goes on without "
            "(tf32=false): do it again as a whole with force=true",
            folder,
        )


def is_done(folder: Path, config: dict[str, Any], force: bool) -> bool:
    """Return whether the run is finished.

    Raises:
        UserError: the directory belongs to a run with other settings, and there is something in it to keep; or it
            is damaged, or holds files of other people.
    """
    ensure_sound(folder, force)
    if force or not (folder / "config.yaml").exists() or failed_at_start(folder):
        return False
    status = read_status(folder)
    split_is_given = GIVEN_SPLIT in status.get("data", {})
    differing = identity.differences(read_config(folder / "config.yaml"), config, split_is_given)
    if differing:
        raise UserError(
            f"{folder} holds a run with other settings (there → here):\n  "
            + "\n  ".join(differing[:20])
            + "\nGive this run another study=…, or replace the old one with force=true."
        )
    return bool(status.get("state") == "done")


def failed_at_start(folder: Path) -> bool:
    """Return whether a run failed before a cycle was finished, so that there is nothing to keep."""
    return read_status(folder).get("state") == "failed" and not has_cycles(folder)


def objective(folder: Path) -> float:
    """Return the validation AULC of a finished run, NaN where the validation split was not scored."""
    value = read_status(folder)["validation_aulc"]
    return math.nan if value is None else float(value)


def remove_results(folder: Path) -> None:
    """Remove what an earlier run left, the record first, so that a kill in between leaves no mixture."""
    for name in (
        "checkpoints/state.json",
        SESSION,
        "status.json",
        "config.yaml",
        "cycles.csv",
        "queries.csv",
        "predictions.npz",
    ):
        (folder / name).unlink(missing_ok=True)
