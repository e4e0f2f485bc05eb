"""What is known of a study's launches: ``<study>/.multirun/``.

``grid-<time>-<random>.json``
    One file a launch: its cells, the command, and the jobs that were to do the cells. Several launches into one
    study add up.
``outcomes/<task>/<model>/<strategy>/split<j>/seed<k>.json``
    How the last attempt of a launched cell ended. A run directory cannot tell that: a cell that is refused
    (bad data, a strategy that does not fit) leaves none.
``data/<launch>/``
    Which data was refused; see ``coilal.runs.refusals``.
``logs/<time>_<process number>.log``
    What the processes of a launch on this machine have written.
"""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from coilal.common import machine
from coilal.run_directory.files import WAY_OUT, write_atomically
from coilal.run_directory.health import DamagedError, read_object
from coilal.sweep.cells import Cell

REMOVE = "remove it; the command of that launch, typed again, goes on and records it anew"
RETRY = "the command of the grid, typed again, replaces it"

JobKind = Literal["slurm", "process"]


@dataclass(frozen=True)
class Job:
    """Something that works on cells: a SLURM job, or a process of one machine.

    Attributes:
        kind: ``slurm`` or ``process``.
        id: the job as squeue writes it (``12``, ``12_3``), or the process number.
        host: the machine it was started from; for a process, the machine it runs on.
        since: when it was submitted, UTC, ISO 8601.
        cells: names of its cells, in the order in which they are done.
        log: file with its error output, or None.
    """

    kind: JobKind
    id: str
    host: str
    since: str
    cells: tuple[str, ...]
    log: str | None = None

    def __str__(self) -> str:
        return f"job {self.id}" if self.kind == "slurm" else f"process {self.id} on {self.host}"


@dataclass(frozen=True)
class Launch:
    """One call of a multirun.

    Attributes:
        time: when, UTC, ISO 8601.
        command: what was typed.
        folder: where.
        cells: the whole grid of the call, finished cells included.
        jobs: who does the cells that were not finished.
    """

    time: str
    command: str
    folder: str
    cells: tuple[Cell, ...]
    jobs: tuple[Job, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How an attempt at a cell ended.

    Attributes:
        time: when, UTC, ISO 8601.
        error: what went wrong, or None if the run is done.
        tail: last lines of the traceback; empty for an error that explains itself.
    """

    time: str
    error: str | None = None
    tail: str = ""


def exact_now() -> str:
    """Return the time, UTC, to the microsecond, in ISO 8601: outcomes are older or younger than a launch."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@contextmanager
def locked(studies: Iterable[str]) -> Iterator[None]:
    """Keep other launches into these studies waiting: two must not both find a cell free and submit it."""
    with ExitStack() as stack:
        for study in sorted(set(studies)):  # always in the same order, so that two launches cannot block each other
            folder = _folder(study)
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(machine.acquired(folder / ".lock", WAY_OUT))
        yield


def write_launch(study: str, launch: Launch, file: Path | None = None) -> Path:
    """Record a launch, in a new file or again in the one that an earlier call returned."""
    stamp = launch.time.replace(":", "").replace("-", "").partition(".")[0]
    file = file or _folder(study) / f"grid-{stamp}-{secrets.token_hex(4)}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, json.dumps(asdict(launch), indent=1, ensure_ascii=False) + "\n")
    return file


def read_launches(study: str | Path) -> list[Launch]:
    """Return the launches into a study, the oldest first; those whose file is damaged are left out."""
    launches = [launch for launch in _read_all(study) if isinstance(launch, Launch)]
    return sorted(launches, key=lambda launch: launch.time)


def damaged_launches(study: str | Path) -> list[str]:
    """Return what is wrong with the files of launches that ``read_launches`` leaves out, and what to do."""
    return [str(found) for found in _read_all(study) if isinstance(found, DamagedError)]


def write_outcome(cell: Cell, outcome: Outcome) -> None:
    """Record how the last attempt at a cell ended."""
    path = _outcome_path(cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(asdict(outcome), indent=1, ensure_ascii=False) + "\n")


def read_outcome(cell: Cell) -> Outcome | None:
    """Return how the last attempt at a cell ended, or None.

    What a damaged file has said is not known: an error older than any attempt, which the next attempt replaces.
    """
    path = _outcome_path(cell)
    if not path.exists():
        return None
    try:
        return _outcome(path)
    except DamagedError as error:
        return Outcome("", error=str(error))


def data_folder(study: str | Path, launch: str) -> Path:
    """Return the folder in which the processes of a launch keep which data was refused."""
    return _folder(study) / "data" / launch


def latest_jobs(launches: Sequence[Launch]) -> dict[str, Job]:
    """Return for each cell name the job of the last launch that submitted it."""
    return {name: job for launch in launches for job in launch.jobs for name in job.cells}


def _folder(study: str | Path) -> Path:
    return Path(study) / ".multirun"


def _outcome_path(cell: Cell) -> Path:
    return _folder(cell.study) / "outcomes" / f"{cell.name}.json"


def _read_all(study: str | Path) -> list[Launch | DamagedError]:
    found: list[Launch | DamagedError] = []
    for path in sorted(_folder(study).glob("grid-*.json")):
        try:
            content = read_object(path, REMOVE)
            found.append(_launch(content))
        except DamagedError as error:
            found.append(error)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            found.append(DamagedError(path, f"not what a launch records: {type(error).__name__}: {error}", REMOVE))
        except FileNotFoundError:  # another process has removed it
            continue
    return found


def _outcome(path: Path) -> Outcome:
    content = read_object(path, RETRY)
    try:
        outcome = Outcome(**content)
        datetime.fromisoformat(outcome.time)
    except (TypeError, ValueError) as error:
        raise DamagedError(path, f"not what a cell's end records: {error}", RETRY) from None
    if not isinstance(outcome.error, str | None) or not isinstance(outcome.tail, str):
        raise DamagedError(path, "not what a cell's end records", RETRY)
    return outcome


def _launch(content: dict[str, Any]) -> Launch:
    cells = tuple(Cell(**{**cell, "overrides": tuple(cell["overrides"])}) for cell in content.pop("cells"))
    jobs = tuple(Job(**{**job, "cells": tuple(job["cells"])}) for job in content.pop("jobs"))
    launch = Launch(**content, cells=cells, jobs=jobs)
    for time in (launch.time, *(job.since for job in jobs)):
        datetime.fromisoformat(time)
    for job in jobs:
        int(job.id.partition("_")[0])
    for cell in cells:
        Path(cell.study, cell.name)
    shlex.split(launch.command)
    return launch
