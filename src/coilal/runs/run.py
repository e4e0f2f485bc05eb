"""run(cfg): one experiment from its settings to a finished run directory, or what is left to do of it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from coilal.common.lean_imports import uncollected
from coilal.common.signals import ends_the_job
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
    write_atomically,
    write_failure,
    write_status,
)
from coilal.run_directory.health import AUDIT, RELABEL, SESSION, ensure_sound, read_config
from coilal.run_directory.parts import EARLIER_PARTS, other_versions, parts_so_far, seconds_before
from coilal.runs import same_data
from coilal.runs.provenance import initial_status
from coilal.runs.settings import Settings
from coilal.runs.stacking import alike, why_alone
from coilal.runs.told_labels import only_told_changed

if TYPE_CHECKING:
    from pytorch_lightning import Trainer

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
    (result,) = together([Settings.of(cfg)])
    if isinstance(result, Exception):
        raise result
    return result


def together(runs: Sequence[Settings]) -> list[float | Exception]:
    """Do several runs in this process, those that can be stacked side by side; see ``runs.stacking``.

    Returns:
        For each run what ``run`` returns, or what it raises; one that fails does not stop the others.
    """
    results: dict[int, float | Exception] = {}
    with ExitStack() as locks:
        begun: dict[int, _Begun] = {}
        trainers: dict[str, Trainer] = {}
        for number, settings in enumerate(runs):
            try:
                found = _begun(settings, locks, trainers)
            except Exception as error:
                if ends_the_job(error):
                    raise
                results[number] = error
                continue
            if isinstance(found, _Begun):
                begun[number] = found
            else:
                results[number] = found
        for numbers in _stacks(begun):
            results |= zip(numbers, _learn([begun[number] for number in numbers]), strict=True)
    return [results[number] for number in range(len(runs))]


@dataclass(frozen=True)
class _Begun:
    """A run whose directory is locked, and says that it is running."""

    experiment: Experiment
    status: dict[str, Any]
    assembled_s: float


def _begun(settings: Settings, locks: ExitStack, trainers: dict[str, Trainer]) -> _Begun | float:
    """Begin a run, or return its objective if it is finished.

    Args:
        settings: those of the run.
        locks: take the lock of its directory.
        trainers: those of the runs before, by ``stacking.alike``.
    """
    folder = settings.folder()
    if "label" in settings.config:
        raise UserError("label=… is for python -m coilal.label, where people answer, and not for a study.")
    if is_done(settings):
        same_data.ensure_of_finished(settings, folder, same_data.Now())
        log.info("%s is finished; skipped (force=true does it again)", folder)
        return objective(folder)
    ensure_writable(folder)
    plan, weights = settled(settings)
    from coilal.runs.assemble import assemble

    started = time.perf_counter()
    log.info("run: %s", folder)
    experiment = assemble(settings, plan, weights, trainers)
    folder.mkdir(parents=True, exist_ok=True)
    locks.callback(lock(folder).release)
    if is_done(settings):  # another process may have finished it meanwhile
        return objective(folder)
    return _Begun(experiment, _begin(experiment), time.perf_counter() - started)


def _stacks(begun: Mapping[int, _Begun]) -> list[list[int]]:
    """Return the numbers of the runs that are trained side by side."""
    stacks: dict[Any, list[int]] = {}
    for number, each in begun.items():
        experiment = each.experiment
        alone = number if why_alone(experiment.settings) else None
        stacks.setdefault((alone, alike(experiment.settings), experiment.budget_and_split()), []).append(number)
    return list(stacks.values())


def _learn(begun: Sequence[_Begun]) -> list[float | Exception]:
    """Train runs side by side, and write down how each has ended."""
    from coilal.runs.learn import learn

    started = time.perf_counter()
    try:
        results = learn([each.experiment for each in begun])
    except Exception as error:  # not SystemExit: a preempted or interrupted run has not failed
        results = [error] * len(begun)
    share = (time.perf_counter() - started) / len(begun)  # of what all of them took
    return [_ended(each, result, share) for each, result in zip(begun, results, strict=True)]


def _ended(begun: _Begun, result: float | Exception, seconds: float) -> float | Exception:
    folder, status = begun.experiment.settings.folder(), begun.status
    if isinstance(result, Exception):
        write_failure(folder, status, result)
        return result
    seconds = round(begun.assembled_s + seconds + seconds_before(status.get(EARLIER_PARTS, [])), 1)
    stored = None if math.isnan(result) else result  # JSON has no NaN
    done = {"state": "done", "end": now(), "seconds": seconds, "validation_aulc": stored}
    try:
        write_status(folder, {**status, **done})
    except UserError as error:
        return error
    return result


def settled(settings: Settings) -> tuple[Plan, Path | None]:
    """Return what the run will do and the file of its weights, before slow imports."""
    model = settings.model
    weights_files.ensure_reachable(model.weights, model.hub, model.name)
    with uncollected():
        from coilal.runs.plan import (
            Plan,  # the tables; a launcher, which only asks whether a run is done, needs none
        )

        plan = Plan.of(settings)
        weights = weights_files.resolve(model.weights, model.hub, model.name)
        import coilal.runs.learn  # noqa: F401
    return plan, weights


def _begin(experiment: Experiment) -> dict[str, Any]:
    """Write what a run is, the directory being locked; return its status.json."""
    from coilal.runs.study_map import map_name  # torch

    settings, prepared = experiment.settings, experiment.prepared
    config, folder = settings.config, settings.folder()
    if settings.force:
        remove_results(folder)
    elif failed_at_start(folder):
        log.info("%s holds a run that failed in its first cycle: replaced", folder)
    else:  # another process may have begun it meanwhile
        same_data.ensure_of_begun(settings, folder, prepared, experiment.weights)
        _tell_of_tf32(folder, experiment.device.type)
    if not has_cycles(folder):  # what the oracle of a study has told of a starting set alone, it tells again
        (folder / SESSION).unlink(missing_ok=True)
    prepared.keep_records()
    earlier = parts_so_far(folder)
    name = read_status(folder).get("identity") if has_cycles(folder) else None
    name = name or identity.identity_hash(config, {**prepared.record.aspects, "weights": experiment.weights})
    status = initial_status(settings, name, prepared, experiment.weights)
    told = _only_told_changed(experiment)
    if map_of_pool := map_name(experiment):
        status["data"]["map"] = map_of_pool
    if told:
        status["data"] = read_status(folder)["data"]  # the run is what it would have been with these
    if earlier:
        status[EARLIER_PARTS] = earlier
        _tell_of_other_versions(folder, other_versions(earlier, status))
    write_atomically(folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(dict(config))))
    if not told:
        write_atomically(folder / "splits.csv", prepared.counts.to_csv())
    write_status(folder, {**status, "state": "running"})
    return status


def _only_told_changed(experiment: Experiment) -> bool:
    """Return whether a run goes on, and nothing but labels that it was told has changed."""
    settings, folder = experiment.settings, experiment.settings.folder()
    if not has_cycles(folder):
        return False
    begun = read_status(folder).get("data", {})
    return only_told_changed(folder, begun, experiment.prepared.record, settings.records)


def _tell_of_other_versions(folder: Path, differing: Sequence[str]) -> None:
    if differing:
        log.warning("%s goes on with other versions than before: %s", folder, ", ".join(differing))


def _tell_of_tf32(folder: Path, device: str) -> None:
    """Say that the cycles an earlier version has done on a GPU were computed with TF32 in convolutions."""
    begun = has_cycles(folder) and device == "cuda"
    if begun and "tf32" not in read_config(folder / "config.yaml"):
        log.warning(
            "%s was begun by a version that let torch round convolutions to TF32, and goes on without "
            "(tf32=false): do it again as a whole with force=true",
            folder,
        )


def is_done(settings: Settings) -> bool:
    """Return whether the run is finished.

    Raises:
        UserError: the directory belongs to a run with other settings, and there is something in it to keep; or it
            is damaged, or holds files of other people.
    """
    folder = settings.folder()
    if (folder / AUDIT).exists():
        raise UserError(
            f"{folder} holds a labelling session, and what people told is never replaced: give this run another "
            "study=…"
        )
    ensure_sound(folder, settings.force)
    if settings.force or not (folder / "config.yaml").exists() or failed_at_start(folder):
        return False
    status = read_status(folder)
    split_is_given = GIVEN_SPLIT in status.get("data", {})
    differing = identity.differences(read_config(folder / "config.yaml"), settings.config, split_is_given)
    if differing:
        raise UserError(
            f"{folder} holds a run with other settings (there → here):\n  "
            + "\n  ".join(differing[:20])
            + "\nGive the settings of that run to go on with it, or another study=…, or replace it with force=true."
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
        RELABEL,
    ):
        (folder / name).unlink(missing_ok=True)
