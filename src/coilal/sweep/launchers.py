"""Hydra's launchers for grids: on this machine, or on SLURM.

All of them record the grid, leave out what is done or being done, and tell at the end which cells failed. How it
stands with a cell is read from files and the queue (``coilal.sweep.states``), not from the launcher's memory: a
launcher that is killed loses nothing, and the same command again takes up where it was.

Hydra imports this module whenever it starts (entry points in pyproject.toml), so that it imports little itself.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus, configure_log
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf, SlurmQueueConf
from omegaconf import DictConfig, OmegaConf

from coilal.common.types import UserError
from coilal.run_directory.files import ensure_writable
from coilal.runs.rules import as_written, refuse_secret_overrides, refuse_secrets, without_hydra
from coilal.sweep.cells import Cell, pack, pack_stacks, spread

if TYPE_CHECKING:
    import submitit

    from coilal.runs.settings import Settings
    from coilal.sweep.book import Job, JobKind
    from coilal.sweep.compose import Grid
    from coilal.sweep.count import Count
    from coilal.sweep.processes import Workers
    from coilal.sweep.states import CellState
    from coilal.sweep.work import Worker

log = logging.getLogger(__name__)

MANY_CELLS = 100
"""So many take a second or more to compose, in which nothing else is told."""


class GridLauncher(Launcher):
    """What all launchers share; they differ in how the cells become jobs.

    Args:
        together: how many cells are trained side by side at most, or ``auto``; 1: each is trained alone.
    """

    settle_s = 0.0  # see coilal.sweep.grid.wait

    def __init__(self, together: int | str) -> None:
        self.together = _count_or_auto("together", together)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over; refuse secrets before the sweeper writes the settings down."""
        refuse_secrets(as_written(without_hydra(config)))
        refuse_secret_overrides([*config.hydra.overrides.task, *config.hydra.overrides.hydra])
        ensure_writable(Path(config.hydra.sweep.dir))
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Do what is missing of a grid; return one result a cell, in order."""
        from coilal.runs.chosen_on import tell_of_launch
        from coilal.runs.same_division import tell_of_other_divisions
        from coilal.sweep import grid as grids
        from coilal.sweep.book import locked
        from coilal.sweep.compose import compose, with_changes_refused
        from coilal.sweep.together import most_of_a_stack, tell

        hydra = self.config.hydra
        configure_log(hydra.hydra_logging, hydra.verbose, self.hydra_context.execution_whitelist)
        count = len(job_overrides)
        if count >= MANY_CELLS:
            log.info("reading the settings of %d cells", count)
        grid = compose(self.hydra_context, self.config, job_overrides, lambda first: self.prepare(first, count))
        grid = with_changes_refused(grid)
        try:
            with locked(cell.study for cell in grid.cells):
                todo = {cell: grid.settings[cell] for cell in grids.choose(grid)}
                record = grids.Record(grid.cells)
                most = most_of_a_stack(self.together, todo.values(), self.has_gpu())
                shares = self.share_out(todo, most)
                tell(shares, todo, most)
                tell_of_other_divisions(todo.values())
                workers = [self._worker(share, grid, initial_job_idx, record.name, most) for share in shares]
                record.add_jobs(list(zip(self.submit(workers), shares, strict=True)))
            tell_of_launch(todo.values())  # the jobs have begun: it may read data
            self.work(workers)
        finally:
            self.stop()
        return _results(grid, grids.wait(grid.cells, self.settle_s, grid.refused), self.how_it_ended)

    def prepare(self, first: Settings, count: int) -> None:
        """Begin what can be done while the grid is composed.

        Args:
            first: the settings of the first cell that is to be done.
            count: the number of cells.
        """

    def has_gpu(self) -> bool:
        """Return whether there is a GPU where the cells are done."""
        raise NotImplementedError

    def share_out(self, todo: Mapping[Cell, Settings], most: int) -> list[list[Cell]]:
        """Return the cells of each job.

        Args:
            todo: the cells that are to be done, and their settings.
            most: how many are trained side by side.
        """
        raise NotImplementedError

    def submit(self, workers: Sequence[Worker]) -> list[Job]:
        """Start one job a worker, and return without waiting."""
        raise NotImplementedError

    def work(self, workers: Sequence[Worker]) -> None:
        """Work in this process, or wait for jobs that cannot do without it."""

    def stop(self) -> None:
        """End the jobs that cannot do without this process."""

    def how_it_ended(self, job: Job) -> str | None:
        """Return what is known of the end of a job that left cells undone."""
        raise NotImplementedError

    def _worker(self, share: Sequence[Cell], grid: Grid, first: int, launch: str, most: int) -> Worker:
        from coilal.sweep.work import Assignment, Worker

        cells = [Assignment(first + grid.cells.index(cell), cell, grid.configs[cell]) for cell in share]
        return Worker(self.hydra_context, self.task_function, cells, launch, most)


class LocalLauncher(GridLauncher):
    """Does the cells in processes of this machine, or in this process.

    Args:
        processes: how many at most, or ``auto``; one is this process.
        together: see ``GridLauncher``.
    """

    def __init__(self, processes: int | str, together: int | str) -> None:
        super().__init__(together)
        self.processes = _count_or_auto("processes", processes)
        self._workers: Workers | None = None  # of the latest launch, if it has processes of its own

    def prepare(self, first: Settings, count: int) -> None:
        """Let the imports of the worker processes begin, if there will be some."""
        if self._count([first] * count).processes > 1:
            from coilal.sweep.processes import start_server

            start_server()

    def has_gpu(self) -> bool:
        """Return whether this machine has one."""
        from coilal.sweep.hardware import gpus

        return bool(gpus())

    def share_out(self, todo: Mapping[Cell, Settings], _: int) -> list[list[Cell]]:
        """Return an even share for each process."""
        count = self._count(list(todo.values()))
        if len(todo) > 1:
            log.info("%s", count)
        return spread(todo, count.processes)

    def submit(self, workers: Sequence[Worker]) -> list[Job]:
        """Start the processes; name this one if it will do the cells itself."""
        self._workers = None
        if len(workers) < 2:
            return [_job("process", str(os.getpid()), None) for _ in workers]
        from coilal.sweep.hardware import gpus
        from coilal.sweep.processes import Workers

        self._workers = Workers(Path(self.config.hydra.sweep.dir) / "logs", f"{datetime.now(UTC):%Y%m%dT%H%M%S}")
        environments: list[dict[str, str]] = [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in gpus()] or [{}]
        jobs = []
        for worker, own in zip(workers, cycle(environments), strict=False):
            started = self._workers.start(worker, len(workers), own)
            jobs.append(_job("process", str(started.process.pid), str(started.log)))
        told = "their output: %s; python -m coilal.status study=%s says how far they are"
        log.info(told, self._workers.logs, self.config.study)
        return jobs

    def work(self, workers: Sequence[Worker]) -> None:
        """Do the cells, or wait for the processes that do them."""
        if self._workers is not None:
            self._workers.follow()
            return
        for worker in workers:
            worker.work()

    def stop(self) -> None:
        """End the processes that still run."""
        if self._workers is not None:
            self._workers.stop()

    def how_it_ended(self, job: Job) -> str | None:
        """Return how a process ended."""
        return self._workers.ends.get(job.id) if self._workers else None

    def _count(self, todo: Sequence[Settings]) -> Count:
        from coilal.sweep.count import Count, automatic

        if self.processes == "auto":
            return automatic(todo)
        return Count(min(int(self.processes), len(todo)), "as asked for")


class SlurmLauncher(GridLauncher):
    """Does the cells in jobs of a SLURM array, which submitit submits and which go on if this process ends.

    Args:
        pack: cells a job, at most, or ``auto``: what is trained side by side, and of other cells one.
        together: see ``GridLauncher``.
        settings: those of Hydra's submitit launcher.
    """

    settle_s = 15.0

    def __init__(self, pack: int | str, together: int | str, **settings: Any) -> None:
        super().__init__(together)
        self.pack = _count_or_auto("pack", pack)
        if shutil.which("sbatch") is None:
            raise UserError(
                "hydra/launcher=slurm needs SLURM's commands (sbatch, squeue), which are not on this machine. "
                "Start it on a machine of the cluster; hydra/launcher=local runs the grid in processes of this one."
            )
        self.settings = {
            key: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            for key, value in settings.items()
        }

    def has_gpu(self) -> bool:
        """Return whether the jobs ask for one."""
        return any(self.settings.get(name) for name in ("gpus_per_node", "gpus_per_task", "gres"))

    def share_out(self, todo: Mapping[Cell, Settings], most: int) -> list[list[Cell]]:
        """Return shares of at most ``pack`` cells."""
        return pack_stacks(todo, most) if self.pack == "auto" else pack(todo, int(self.pack))

    def submit(self, workers: Sequence[Worker]) -> list[Job]:
        """Submit the jobs as one array."""
        from submitit.core.utils import FailedJobError

        if not workers:
            return []
        executor = self._executor()
        try:
            with executor.batch():
                jobs = [executor.submit(worker) for worker in workers]
        except FailedJobError as error:  # what sbatch says: no such partition, account, …
            raise UserError(f"the jobs were refused; see the settings hydra.launcher.*\n{error}") from error
        log.info("submitted %d jobs: %s", len(jobs), " ".join(job.job_id for job in jobs))
        return [_job("slurm", job.job_id, str(job.paths.stderr)) for job in jobs]

    def how_it_ended(self, job: Job) -> str | None:
        """Return the state in which SLURM says that a job ended."""
        from coilal.sweep.alive import slurm_end

        return slurm_end(job)

    def _executor(self) -> submitit.AutoExecutor:
        import submitit

        # submitit wants what is special to SLURM with its name in front, and some of it at the beginning.
        generic = BaseQueueConf.__dataclass_fields__
        settings = {key if key in generic else f"slurm_{key}": value for key, value in self.settings.items()}
        folder = str(settings.pop("submitit_folder"))
        at_first = ("slurm_max_num_timeout", "slurm_python")
        first = {key: settings.pop(key) for key in at_first if key in settings}
        executor = submitit.AutoExecutor(folder=folder, cluster="slurm", **first)
        executor.update_parameters(**settings)
        return executor


@dataclass
class LocalConf:
    """Settings of the launcher for this machine."""

    _target_: str = f"{__name__}.LocalLauncher"
    processes: Any = "auto"
    together: Any = "auto"


@dataclass
class SlurmConf(SlurmQueueConf):
    """Settings of the launcher for SLURM."""

    _target_: str = f"{__name__}.SlurmLauncher"
    pack: Any = "auto"
    together: Any = "auto"


# The checked types behind conf/hydra/launcher/*.yaml.
for _name, _node in (("local", LocalConf), ("slurm", SlurmConf)):
    ConfigStore.instance().store(group="hydra/launcher", name=f"coilal_{_name}", node=_node, provider="coilal")


def _count_or_auto(name: str, value: Any) -> int | str:
    if value == "auto":
        return "auto"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise UserError(f"hydra.launcher.{name}={value}; allowed: auto, or a whole number, 1 or more")


def _job(kind: JobKind, job_id: str, log_file: str | None) -> Job:
    from coilal.sweep.book import Job, exact_now

    return Job(kind, job_id, socket.gethostname(), exact_now(), (), log_file)


def _results(
    grid: Grid, found: Mapping[Cell, CellState], how_it_ended: Callable[[Job], str | None]
) -> list[JobReturn]:
    """Return what Hydra's sweepers want: the objective of each cell, or what went wrong in the grid."""
    from coilal.runs.run import objective
    from coilal.sweep.grid import failure, is_done

    failed = failure(grid, found, how_it_ended)
    results = []
    for cell in grid.cells:
        result = JobReturn(overrides=cell.overrides)
        if is_done(cell, grid, found):
            result.status, result._return_value = JobStatus.COMPLETED, objective(cell.folder)
        else:
            result.status, result._return_value = JobStatus.FAILED, failed
        results.append(result)
    return results
