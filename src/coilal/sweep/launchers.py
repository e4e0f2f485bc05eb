"""Hydra's launchers for grids: one after the other in this process, in processes of this machine, or on SLURM.

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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus, configure_log
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf, SlurmQueueConf
from omegaconf import DictConfig, OmegaConf

from coilal.settings import as_written, refuse_secret_overrides, refuse_secrets, without_hydra
from coilal.sweep.cells import Cell, pack, spread
from coilal.types import UserError

if TYPE_CHECKING:
    import submitit

    from coilal.sweep.book import Job, JobKind
    from coilal.sweep.compose import Grid
    from coilal.sweep.states import CellState
    from coilal.sweep.work import Worker

log = logging.getLogger(__name__)


class GridLauncher(Launcher):
    """What all launchers share; they differ in how the cells become jobs."""

    settle_s = 0.0  # see coilal.sweep.grid.wait

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over; refuse secrets before the sweeper writes the settings down."""
        refuse_secrets(as_written(without_hydra(config)))
        refuse_secret_overrides([*config.hydra.overrides.task, *config.hydra.overrides.hydra])
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Do what is missing of a grid; return one result a cell, in order."""
        from coilal.sweep import grid as grids
        from coilal.sweep.book import locked
        from coilal.sweep.compose import compose

        hydra = self.config.hydra
        configure_log(hydra.hydra_logging, hydra.verbose, self.hydra_context.execution_whitelist)
        grid = compose(self.hydra_context, self.config, job_overrides)
        with locked(cell.study for cell in grid.cells):
            todo = grids.choose(grid)
            record = grids.Record(grid.cells)
            shares = self.share_out(todo)
            workers = [self._worker(share, grid, initial_job_idx) for share in shares]
            record.add_jobs(list(zip(self.submit(workers), shares, strict=True)))
        self.work(workers)
        return _results(grid, grids.wait(grid.cells, self.settle_s))

    def share_out(self, cells: Sequence[Cell]) -> list[list[Cell]]:
        """Return the cells of each job."""
        raise NotImplementedError

    def submit(self, workers: Sequence[Worker]) -> list[Job]:
        """Start one job a worker, and return without waiting."""
        raise NotImplementedError

    def work(self, workers: Sequence[Worker]) -> None:
        """Work in this process, if the launcher's jobs are done there."""

    def _worker(self, share: Sequence[Cell], grid: Grid, first: int) -> Worker:
        from coilal.sweep.work import Assignment, Worker

        cells = [Assignment(first + grid.cells.index(cell), cell, grid.configs[cell]) for cell in share]
        return Worker(self.hydra_context, self.task_function, cells)


class SerialLauncher(GridLauncher):
    """Does the cells one after the other in this process."""

    def share_out(self, cells: Sequence[Cell]) -> list[list[Cell]]:
        """Return one share with all cells."""
        return spread(cells, 1)

    def submit(self, workers: Sequence[Worker]) -> list[Job]:
        """Name this process as the one that will do the cells."""
        return [_job("process", str(os.getpid()), None) for _ in workers]

    def work(self, workers: Sequence[Worker]) -> None:
        """Do the cells."""
        for worker in workers:
            worker.work()


class SubmititLauncher(GridLauncher):
    """Does the cells in jobs that submitit starts, and that go on if this process ends.

    Args:
        settings: those of Hydra's submitit launcher.
    """

    cluster: str

    def __init__(self, **settings: Any) -> None:
        self.settings = {
            key: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            for key, value in settings.items()
        }

    def submit(self, workers: Sequence[Worker]) -> list[Job]:
        """Start the jobs, as one array on SLURM."""
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
        kind: JobKind = "slurm" if self.cluster == "slurm" else "process"
        return [_job(kind, job.job_id, str(job.paths.stderr)) for job in jobs]

    def _executor(self) -> submitit.AutoExecutor:
        import submitit

        # submitit wants what is special to a cluster with its name in front, and some of it at the beginning.
        generic = BaseQueueConf.__dataclass_fields__
        settings = {
            key if key in generic else f"{self.cluster}_{key}": value for key, value in self.settings.items()
        }
        folder = str(settings.pop("submitit_folder"))
        at_first = (f"{self.cluster}_max_num_timeout", f"{self.cluster}_python")
        first = {key: settings.pop(key) for key in at_first if key in settings}
        executor = submitit.AutoExecutor(folder=folder, cluster=self.cluster, **first)
        executor.update_parameters(**settings)
        return executor


class LocalLauncher(SubmititLauncher):
    """Does the cells in several processes of this machine.

    Args:
        processes: how many, at most.
        settings: those of Hydra's submitit launcher.
    """

    cluster = "local"

    def __init__(self, processes: int, **settings: Any) -> None:
        super().__init__(**settings)
        if processes < 1:
            raise UserError(f"hydra.launcher.processes={processes}: at least one process is needed")
        self.processes = processes

    def share_out(self, cells: Sequence[Cell]) -> list[list[Cell]]:
        """Return an even share for each process."""
        return spread(cells, self.processes)


class SlurmLauncher(SubmititLauncher):
    """Does the cells in jobs of a SLURM array.

    Args:
        pack: cells a job, at most.
        settings: those of Hydra's submitit launcher.
    """

    cluster = "slurm"
    settle_s = 15.0

    def __init__(self, pack: int, **settings: Any) -> None:
        super().__init__(**settings)
        if pack < 1:
            raise UserError(f"hydra.launcher.pack={pack}: a job needs at least one cell")
        if shutil.which("sbatch") is None:
            raise UserError(
                "hydra/launcher=slurm needs SLURM's commands (sbatch, squeue), which are not on this machine. "
                "Start it on a machine of the cluster; hydra/launcher=local runs the grid in processes of this one."
            )
        self.pack = pack

    def share_out(self, cells: Sequence[Cell]) -> list[list[Cell]]:
        """Return shares of at most ``pack`` cells."""
        return pack(cells, self.pack)


@dataclass
class SerialConf:
    """Settings of the launcher for this process."""

    _target_: str = f"{__name__}.SerialLauncher"


@dataclass
class LocalConf(BaseQueueConf):
    """Settings of the launcher for processes of this machine."""

    _target_: str = f"{__name__}.LocalLauncher"
    processes: int = 2
    max_num_timeout: int = 0


@dataclass
class SlurmConf(SlurmQueueConf):
    """Settings of the launcher for SLURM."""

    _target_: str = f"{__name__}.SlurmLauncher"
    pack: int = 1


# The checked types behind conf/hydra/launcher/*.yaml.
for _name, _node in (("serial", SerialConf), ("local", LocalConf), ("slurm", SlurmConf)):
    ConfigStore.instance().store(group="hydra/launcher", name=f"coilal_{_name}", node=_node, provider="coilal")


def _job(kind: JobKind, job_id: str, log_file: str | None) -> Job:
    from coilal.sweep.book import Job, exact_now

    return Job(kind, job_id, socket.gethostname(), exact_now(), (), log_file)


def _results(grid: Grid, found: Mapping[Cell, CellState]) -> list[JobReturn]:
    """Return what Hydra's sweepers want: the objective of each cell, or what went wrong in the grid."""
    from coilal.run import objective
    from coilal.sweep.grid import failure, is_done

    failed = failure(grid, found)
    results = []
    for cell in grid.cells:
        result = JobReturn(overrides=cell.overrides)
        if is_done(cell, grid, found):
            result.status, result._return_value = JobStatus.COMPLETED, objective(cell.folder)
        else:
            result.status, result._return_value = JobStatus.FAILED, failed
        results.append(result)
    return results
