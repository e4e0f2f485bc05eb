"""What a launcher does with a grid before and after its jobs: choose, record, wait, sum up."""

from __future__ import annotations

import logging
import secrets
import shlex
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from coilal.common.types import CellsFailed
from coilal.runs.run import remove_results
from coilal.sweep.book import Job, Launch, damaged_launches, exact_now, read_outcome, write_launch
from coilal.sweep.cells import Cell
from coilal.sweep.compose import Grid
from coilal.sweep.states import CellState, count, states

log = logging.getLogger(__name__)

FIRST_POLL_S, LONGEST_POLL_S = 1.0, 10.0
CHANGE_FIRST = (
    "What is named here is to be put right first, in the settings, the data or on the machine; until then the same "
    "command fails again."
)
LOG_LINES = 5  # of a lost job, shown with its cells


class Record:
    """The files in which a launch is recorded: one in each study that has cells of it."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.time = exact_now()
        self.name = secrets.token_hex(4)
        self._files: dict[str, tuple[Launch, Path]] = {}
        for study in sorted({cell.study for cell in cells}):
            of_study = tuple(cell for cell in cells if cell.study == study)
            launch = Launch(self.time, command(), str(Path.cwd()), of_study)
            self._files[study] = launch, write_launch(study, launch)

    def add_jobs(self, jobs: Sequence[tuple[Job, Sequence[Cell]]]) -> None:
        """Record who does which cells."""
        for study, (launch, file) in self._files.items():
            shares = [(job, tuple(cell.name for cell in cells if cell.study == study)) for job, cells in jobs]
            of_study = tuple(replace(job, cells=names) for job, names in shares if names)
            write_launch(study, replace(launch, jobs=of_study), file)


def command() -> str:
    """Return the command that this process was started with, as one types it."""
    spec = sys.modules["__main__"].__spec__
    program = ["python", "-m", spec.name] if spec else ["python", sys.argv[0]]
    return shlex.join([*program, *sys.argv[1:]])


def choose(grid: Grid) -> list[Cell]:
    """Return the cells that a launch must do: unfinished ones that nobody works on, and forced ones."""
    for study in sorted({cell.study for cell in grid.cells}):
        for damage in damaged_launches(study):
            log.warning("left out: %s", damage)
    chosen = []
    for cell, found in states(grid.cells).items():
        wanted = found.state != "done" or cell in grid.forced
        if wanted and not found.claimed and cell not in grid.refused:
            chosen.append(cell)
            if cell in grid.forced:
                remove_results(cell.folder)
    return chosen


def wait(cells: Iterable[Cell], settle_s: float, refused: Collection[Cell] = ()) -> dict[Cell, CellState]:
    """Wait until nobody works on any of the cells, or will do so; return how it stands with them then.

    Args:
        cells: the cells.
        settle_s: seconds for which a cell that its job left unfinished is looked at again: a network file
            system may show late what the job wrote.
        refused: those of them that are counted apart, whatever run lies in their place.
    """
    cells, pause = list(cells), FIRST_POLL_S
    lost_since: dict[Cell, float] = {}
    shown = None
    while True:
        found = states(cells)
        counted = [state for cell, state in found.items() if cell not in refused]
        if (summary := count(counted, refused=len(found) - len(counted))) != shown:
            log.info("%s", summary)
            shown = summary
        now = time.monotonic()
        lost = [cell for cell, state in found.items() if state.state in ("stale", "missing")]
        lost_since = {cell: lost_since.get(cell, now) for cell in lost}
        works = any(state.claimed for state in found.values())
        if not works and all(now - since >= settle_s for since in lost_since.values()):
            return found
        time.sleep(pause)
        pause = min(LONGEST_POLL_S, 1.5 * pause)


def is_done(cell: Cell, grid: Grid, found: Mapping[Cell, CellState]) -> bool:
    """Return whether a cell is done, with the settings of this grid."""
    return found[cell].state == "done" and cell not in grid.refused


def failure(
    grid: Grid, found: Mapping[Cell, CellState], how_it_ended: Callable[[Job], str | None]
) -> CellsFailed | None:
    """Return what went wrong with which cells, or None if all are done.

    Args:
        grid: the grid.
        found: how it stands with each cell.
        how_it_ended: what is known of the end of a job that left cells undone.
    """
    bad = [cell for cell in grid.cells if not is_done(cell, grid, found)]
    if not bad:
        return None
    reports = {cell: _report(found[cell], grid.refused, how_it_ended) for cell in bad}
    same: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for cell, (why, tail) in reports.items():
        alike = why.removeprefix(f"{cell.folder} ")  # its name stands in front, and others may have the same reason
        same.setdefault((alike, tuple(tail)), []).append(cell.name)
    lines = [f"{len(bad)} of {len(grid.cells)} cells failed:"]
    for (why, last), names in same.items():
        several = f"{len(names)} cells ({', '.join(names)})" if len(names) > 1 else names[0]
        lines += [f"  {several}: {_indented(why)}", *(f"    | {line}" for line in last)]
    begun = {cell: tail for cell, (_, tail) in reports.items() if cell not in grid.refused}
    if any(not tail for tail in begun.values()):
        lines.append(f"{CHANGE_FIRST} After that it does only what has not been done.")
    elif begun:
        lines.append("The same command again does only what has not been done.")
    mendable = all(not tail for _, tail in reports.values())
    return CellsFailed("\n".join(lines), code=2 if mendable else 1)


def _report(
    found: CellState, refused: Mapping[Cell, str], how_it_ended: Callable[[Job], str | None]
) -> tuple[str, list[str]]:
    """Return why a cell is not done, and the last lines of its traceback or of its job's log."""
    if found.cell in refused:
        return refused[found.cell], []
    if found.state == "damaged":
        return found.why, []
    if found.state == "failed":
        outcome = read_outcome(found.cell)
        return found.why, outcome.tail.splitlines() if outcome else []
    end = how_it_ended(found.job) if found.job else None
    why = f"{found.state}: {found.why}" + (f" ({end})" if end else "")
    lines = _last_lines(found.job)
    if lines and lines[-1].startswith("error: "):  # what the user can mend was told by the job itself
        return f"{why}: {lines[-1].removeprefix('error: ')}", []
    return why, lines or ["(its job left no log)"]


def _last_lines(job: Job | None) -> list[str]:
    path = Path(job.log) if job and job.log else None
    if path is None or not path.is_file():
        return []
    return path.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")
