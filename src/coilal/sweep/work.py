"""What a job does: its cells, one after the other, in one process."""

from __future__ import annotations

import copy
import logging
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, configure_log, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from coilal.common import machine, output
from coilal.common.cli import user_error
from coilal.run_directory.health import records
from coilal.sweep.book import Outcome, data_folder, exact_now, write_outcome
from coilal.sweep.cells import Cell

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

log = logging.getLogger(__name__)

TAIL_LINES = 6  # of a traceback: the place, and what was raised there


class Assignment(NamedTuple):
    """A cell that a job is to do: its number in the grid, and its composed settings, Hydra's own included."""

    number: int
    cell: Cell
    config: DictConfig


class Worker:
    """Does cells one after the other; one that fails does not stop the others.

    Can be pickled. It keeps no account of what is done: finished runs skip themselves and others go on after their
    last finished cycle, so that a job that starts again (preempted, timed out, its node lost) does just the rest.

    Args:
        context: Hydra's.
        task: what is called with the settings of a cell.
        cells: what is to be done.
        launch: a name of the launch that no other one has.
    """

    def __init__(self, context: HydraContext, task: TaskFunction, cells: Sequence[Assignment], launch: str) -> None:
        self.context, self.task, self.cells, self.launch = context, task, cells, launch
        self._told: dict[str, str] = {}  # error → the first cell that it stopped
        self.singletons = Singleton.get_state()

    def __call__(self, finished: Callable[[int], None] = lambda _: None) -> None:
        """Do all cells in a process that has only this object.

        Args:
            finished: called with the number of each cell that is done or failed, when its outcome is recorded.
        """
        Singleton.set_state(self.singletons)
        output.secure(encoding="utf-8")  # a log file, whatever the locale
        machine.tell_of_threads()
        hydra = self.cells[0].config.hydra
        configure_log(hydra.job_logging, hydra.verbose, self.context.execution_whitelist)
        self.work(finished)

    def work(self, finished: Callable[[int], None] = lambda _: None) -> None:
        """Do all cells."""
        from coilal.runs.refusals import kept_in

        setup_globals()
        for assignment in self.cells:
            with kept_in(data_folder(assignment.cell.study, self.launch)):
                self._do(assignment)
            finished(assignment.number)

    def checkpoint(self) -> DelayedSubmission:
        """Return what submitit is to run when the job has been requeued: the same again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _do(self, assignment: Assignment) -> None:
        number, cell = assignment.number, assignment.cell
        config = copy.deepcopy(assignment.config)  # Hydra changes and locks it, and a job may do the cell again
        with open_dict(config):
            config.hydra.job.num, config.hydra.job.id = number, cell.name
            # The launcher removed the old results, and a job that goes on must not do it again. Until the run has
            # begun, force says that it may write beside files of other people.
            config.force = config.force and not records(cell.folder)
        log.info("#%d : %s", number, " ".join(cell.overrides))
        result = run_job(self.task, config, "hydra.sweep.dir", "hydra.sweep.subdir", self.context)
        outcome = _outcome(result)
        write_outcome(cell, outcome)
        if outcome.error:
            shown = outcome.error + (outcome.tail and f"\n{outcome.tail}")
            first = self._told.setdefault(shown, cell.name)
            log.error("%s failed: %s", cell.name, shown if first == cell.name else f"as {first}")


def _outcome(result: JobReturn) -> Outcome:
    if result.status is JobStatus.COMPLETED:
        return Outcome(exact_now())
    error: Any = result._return_value
    if _is_end_of_job(error):
        raise error
    if (user := user_error(error)) is not None:
        return Outcome(exact_now(), error=str(user))
    lines = "".join(traceback.format_exception(error)).rstrip().splitlines()
    return Outcome(exact_now(), error=f"{type(error).__name__}: {error}", tail="\n".join(lines[-TAIL_LINES:]))


def _is_end_of_job(error: BaseException) -> bool:
    """Return whether submitit ends the job: out of time, and requeued too often. The cell has not failed."""
    from submitit.core.utils import UncompletedJobError

    return isinstance(error, UncompletedJobError)
