"""One trial of a hyperparameter search: a run a seed, and their mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from optuna.trial import Trial, TrialState

from coilal.common.types import UserError
from coilal.run_directory.data_record import COLUMN_OF, GIVEN_SPLIT
from coilal.run_directory.files import read_status, run_folders
from coilal.run_directory.store import read_queries


class TrialLauncher:
    """Stands between sweeper and launcher: a trial becomes one cell a seed, and their results become its value.

    Args:
        cells: the launcher that does the cells.
        seeds: the seeds of a trial.

    Attributes:
        proposed: the trials that are launched next, with the folders of their runs.
    """

    def __init__(self, cells: Launcher, seeds: Sequence[int]) -> None:
        self.cells, self.seeds = cells, seeds
        self.proposed: list[tuple[Trial, Path]] = []

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Do the proposed trials; return one result a trial, in order."""
        count = len(self.seeds)
        overrides = [(*given, f"seed={seed}") for given in job_overrides for seed in self.seeds]
        returns = self.cells.launch(overrides, initial_job_idx=initial_job_idx * count)
        shares = [returns[first : first + count] for first in range(0, len(returns), count)]
        results = []
        for (trial, folder), share in zip(self.proposed, shares, strict=True):
            result = mean_of(share)
            _annotate(trial, folder, result)
            _check_data(trial)
            results.append(result)
        return results


def mean_of(returns: Sequence[JobReturn]) -> JobReturn:
    """Return the mean of what the cells of a trial returned, or the error of the first that failed."""
    for result in returns:
        if result.status is not JobStatus.COMPLETED:
            return result
    mean = JobReturn(overrides=returns[0].overrides)
    mean.status, mean._return_value = JobStatus.COMPLETED, fmean(float(result.return_value) for result in returns)
    return mean


def labels_used(runs: Sequence[Path]) -> tuple[int, int]:
    """Return how many different images of the pool, and how many of the validation split, the runs had labelled."""
    pool = {image for run in runs for image in read_queries(run)["image"]}
    return len(pool), max(int(read_status(run)["data"]["split"]["validation"]) for run in runs)


def _check_data(trial: Trial) -> None:
    """Refuse to go on with a search whose data changed: its trials could not be compared."""
    now = trial.user_attrs.get("record")
    for earlier in trial.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        before = earlier.user_attrs.get("record")
        if now and before and before != now:
            changed = ", ".join(aspect for aspect in now if now[aspect] != before.get(aspect))
            raise UserError(
                f"the data of this search changed since trial {earlier.number} ({changed}): bring them back as "
                "they were, or give this search another study=…"
            )


def _annotate(trial: Trial, folder: Path, result: JobReturn) -> None:
    """Store with the trial why it failed, or what it has taken."""
    if result.status is not JobStatus.COMPLETED:
        trial.set_user_attr("error", str(result._return_value))
        return
    if math.isnan(result._return_value):
        trial.set_user_attr("error", "the objective is NaN: is the validation split scored (score_validation)?")
    runs = [run for run in run_folders(folder) if (run / "queries.csv").exists()]
    pool, validation = labels_used(runs)
    trial.set_user_attr("labels", {"pool": pool, "validation": validation})
    data = read_status(runs[0])["data"]
    trial.set_user_attr("data", str(data["fingerprint"]))
    trial.set_user_attr("record", {aspect: data.get(aspect) for aspect in COLUMN_OF})
    trial.set_user_attr(GIVEN_SPLIT, GIVEN_SPLIT in data)
    trial.set_user_attr("seconds", sum(read_status(run)["seconds"] for run in runs))
