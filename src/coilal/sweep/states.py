"""How it stands with each cell of a study, from files, processes and the queue; nothing is kept in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from coilal.run_directory.files import STATUS, read_status, run_folders
from coilal.run_directory.health import DamagedError
from coilal.sweep.alive import Life, job_lives, run_life, slurm_queue
from coilal.sweep.book import Job, Launch, Outcome, latest_jobs, read_launches, read_outcome
from coilal.sweep.cells import Cell

State = Literal["done", "running", "paused", "queued", "failed", "damaged", "stale", "missing"]
STATES: tuple[State, ...] = ("done", "running", "paused", "queued", "failed", "damaged", "stale", "missing")


@dataclass(frozen=True)
class CellState:
    """How it stands with a cell.

    Attributes:
        cell: the cell.
        state: done; running; paused (people label there, and nobody has it open now); queued (a
            job will do it); failed; damaged (nobody can tell: a file of the run directory is
            damaged); stale (begun, but its process is gone); missing (not begun, and no job will
            do it).
        why: more about the state, for people.
        claimed: whether somebody works on it or will do so, and it is to be left alone.
        job: the job of the last launch that submitted it, or None.
        start: when the run began, or went on, UTC, ISO 8601.
        end: when it ended.
        cycles: finished cycles.
    """

    cell: Cell
    state: State
    why: str = ""
    claimed: bool = False
    job: Job | None = None
    start: str | None = None
    end: str | None = None
    cycles: int = 0

    @property
    def seconds(self) -> float | None:
        """Seconds from start to end, or to now for a run that works; None where that says nothing."""
        if self.start is None or (self.end is None and self.state != "running"):
            return None
        end = datetime.fromisoformat(self.end) if self.end else datetime.now(UTC)
        return (end - datetime.fromisoformat(self.start)).total_seconds()


def states(cells: Iterable[Cell]) -> dict[Cell, CellState]:
    """Return how it stands with each cell."""
    cells = list(cells)
    jobs: dict[Path, Job] = {}
    for study in {cell.study for cell in cells}:
        jobs |= {Path(study) / name: job for name, job in latest_jobs(read_launches(study)).items()}
    read = {cell: _status(cell.folder) for cell in cells}
    damaged = {cell: found for cell, found in read.items() if isinstance(found, DamagedError)}
    statuses = {cell: found for cell, found in read.items() if not isinstance(found, DamagedError)}
    # A finished cell needs no look at the queue: SLURM may have forgotten its job, or be another one here.
    open_cells = [cell for cell in statuses if statuses[cell].get("state") != "done"]
    lives = job_lives(jobs[cell.folder] for cell in open_cells if cell.folder in jobs)
    begun = [statuses[cell] for cell in open_cells if statuses[cell].get("state") == "running"]
    queue = slurm_queue(status["slurm_job"] for status in begun if status.get("slurm_job"))
    return {
        cell: CellState(cell, "damaged", str(damaged[cell]), cycles=_cycles(cell))
        if cell in damaged
        else _state(cell, statuses[cell], jobs.get(cell.folder), lives, queue)
        for cell in cells
    }


def study_cells(study: Path, launches: Sequence[Launch]) -> list[Cell]:
    """Return the cells of all launches into a study, and the runs that were made one by one."""
    cells = {cell.name: cell for launch in launches for cell in launch.cells}
    for folder, name in run_folders(study).items():
        if (folder / STATUS).exists():
            cells.setdefault(str(name), Cell(str(study), str(name), _overrides(folder), ""))
    # A study that was moved, or is looked at from another folder: its cells lie where the study lies now.
    return [Cell(str(study), cell.name, cell.overrides, cell.group, cell.replays) for cell in cells.values()]


def count(found: Iterable[CellState], refused: int = 0) -> str:
    """Return a line such as ``12 cells: 9 done, 2 running, 1 failed``.

    Args:
        found: how it stands with each cell.
        refused: further cells, which are not done because a run of other settings lies in their place.
    """
    numbers = Counter(state.state for state in found)
    parts = [f"{numbers[state]} {state}" for state in STATES if numbers[state]]
    parts += [f"{refused} refused"] if refused else []
    total = numbers.total() + refused
    return f"{total} cell{'s' if total != 1 else ''}: {', '.join(parts)}"


def _state(
    cell: Cell,
    status: Mapping[str, Any],
    job: Job | None,
    lives: Mapping[Job, Life],
    queue: Mapping[str, str] | None,
) -> CellState:
    life = lives.get(job, "gone") if job else "gone"
    run: Life = run_life(status, queue) if status.get("state") == "running" else "gone"
    found = judge(status, job, life, run, read_outcome(cell))
    times = status.get("start"), status.get("end")
    return CellState(cell, found.state, found.why, found.claimed, job, *times, _cycles(cell))


class Judgement(NamedTuple):
    """State, explanation, and whether somebody works on the cell or will; see ``CellState``."""

    state: State
    why: str = ""
    claimed: bool = False


def judge(status: Mapping[str, Any], job: Job | None, life: Life, run: Life, outcome: Outcome | None) -> Judgement:
    """Return how it stands with a cell.

    Args:
        status: its status.json, {} where there is none.
        job: the job that was last to do it, or None.
        life: whether that job lives; unknown if SLURM does not answer.
        run: whether the process that status.json names lives.
        outcome: how the last attempt ended, or None.
    """
    if status.get("state") == "done":
        return Judgement("done")
    if status.get("state") == "paused":
        return Judgement("paused", "a labelling session that nobody has open", claimed=True)
    if run == "running":
        return Judgement("running", _where(status), claimed=True)
    if run == life == "unknown":
        return Judgement("running", f"{_where(status)}, when SLURM last answered", claimed=True)
    failed = outcome is not None and outcome.error is not None
    if job is not None and life != "gone" and not (outcome and failed and outcome.time >= job.since):
        waits = {"pending": "waits", "running": "will come to it", "unknown": "waited when SLURM last answered"}
        return Judgement("queued", f"{job} {waits[life]}", claimed=True)
    if outcome and failed and outcome.time >= max(status.get("start", ""), job.since if job else ""):
        return Judgement("failed", str(outcome.error))
    if status.get("state") == "failed":
        return Judgement("failed", status["error"])
    if run == "unknown":
        # Not claimed: if that machine is gone nobody would ever take the cell; the run's lock keeps two apart.
        return Judgement("running", f"{_where(status)}; from here nobody can tell whether it still does")
    if status.get("state") == "running":
        return Judgement("stale", f"its process on {status['host']} is gone" + (f", {job} too" if job else ""))
    if outcome and failed:
        return Judgement("failed", str(outcome.error))
    return Judgement("missing", f"{job} is gone" if job else "")


def _where(status: Mapping[str, Any]) -> str:
    job = status.get("slurm_job")
    return f"on {status['host']}" + (f", job {job}" if job else "")


def _status(folder: Path) -> dict[str, Any] | DamagedError:
    try:
        return read_status(folder)
    except DamagedError as error:
        return error


def _overrides(folder: Path) -> tuple[str, ...]:
    status = _status(folder)
    given = [] if isinstance(status, DamagedError) else status.get("overrides")
    return tuple(map(str, given)) if isinstance(given, list) else ()


def _cycles(cell: Cell) -> int:
    path = cell.folder / "cycles.csv"
    return max(0, path.read_bytes().count(b"\n") - 1) if path.is_file() else 0
