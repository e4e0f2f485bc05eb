"""What a job does: its cells in one process, side by side where they can be."""

from __future__ import annotations

import copy
import logging
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hydra.core.singleton import Singleton
from hydra.core.utils import configure_log, env_override, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from coilal.common import machine, output
from coilal.common.cli import user_error
from coilal.common.signals import ends_the_job
from coilal.run_directory.health import records
from coilal.sweep.book import Outcome, data_folder, exact_now, write_outcome
from coilal.sweep.cells import Cell, stacks

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
    """Does cells stack by stack; one that fails does not stop the others.

    Can be pickled. It keeps no account of what is done: finished runs skip themselves and others go on after their
    last finished cycle, so that a job that starts again (preempted, timed out, its node lost) does just the rest.

    Args:
        context: Hydra's.
        task: what is called with the settings of a cell.
        cells: what is to be done.
        launch: a name of the launch that no other one has.
        together: how many cells are trained side by side at most.
    """

    def __init__(
        self,
        context: HydraContext,
        task: TaskFunction,
        cells: Sequence[Assignment],
        launch: str,
        together: int = 1,
    ) -> None:
        self.context, self.task, self.cells, self.launch = context, task, cells, launch
        self.together = together
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
        for stack in self._stacks():
            with kept_in(data_folder(stack[0].cell.study, self.launch)):
                endings = [self._do(self.task, stack[0])] if len(stack) == 1 else self._do_together(stack)
            outcomes = list(map(_outcome, endings))  # all of them before one is recorded: the job may have ended
            for assignment, outcome in zip(stack, outcomes, strict=True):
                self._record(assignment.cell, outcome)
                finished(assignment.number)

    def checkpoint(self) -> DelayedSubmission:
        """Return what submitit is to run when the job has been requeued: the same again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _stacks(self) -> list[list[Assignment]]:
        assignments = {assignment.cell: assignment for assignment in self.cells}
        return [[assignments[cell] for cell in stack] for stack in stacks(list(assignments), self.together)]

    def _do(self, task: TaskFunction, assignment: Assignment) -> Any:
        """Call a task with the settings of a cell; return what it returns, or the Exception that it raises."""
        number, cell = assignment.number, assignment.cell
        config = copy.deepcopy(assignment.config)  # Hydra changes and locks it, and a job may do the cell again
        with open_dict(config):
            config.hydra.job.num, config.hydra.job.id = number, cell.name
            # The launcher removed the old results, and a job that goes on must not do it again. Until the run has
            # begun, force says that it may write beside files of other people.
            config.force = config.force and not records(cell.folder)
        log.info("#%d : %s", number, " ".join(cell.overrides))
        return run_job(task, config, "hydra.sweep.dir", "hydra.sweep.subdir", self.context)._return_value

    def _do_together(self, stack: Sequence[Assignment]) -> list[Any]:
        """Do cells side by side; return for each what ``_do`` would."""
        from coilal.runs.run import together
        from coilal.runs.settings import Settings

        endings = [self._do(Settings.of, assignment) for assignment in stack]
        read = [index for index, found in enumerate(endings) if isinstance(found, Settings)]
        environment: Any = OmegaConf.to_container(stack[0].config.hydra.job.env_set, resolve=True)
        with env_override(environment):  # as run_job does
            for index, result in zip(read, together([endings[index] for index in read]), strict=True):
                endings[index] = result
        return endings

    def _record(self, cell: Cell, outcome: Outcome) -> None:
        write_outcome(cell, outcome)
        if outcome.error:
            shown = outcome.error + (outcome.tail and f"\n{outcome.tail}")
            first = self._told.setdefault(shown, cell.name)
            log.error("%s failed: %s", cell.name, shown if first == cell.name else f"as {first}")


def _outcome(ending: Any) -> Outcome:
    if not isinstance(ending, Exception):
        return Outcome(exact_now())
    if ends_the_job(ending):
        raise ending
    if (user := user_error(ending)) is not None:
        return Outcome(exact_now(), error=str(user))
    lines = "".join(traceback.format_exception(ending)).rstrip().splitlines()
    return Outcome(exact_now(), error=f"{type(ending).__name__}: {ending}", tail="\n".join(lines[-TAIL_LINES:]))
