"""The cells of a grid, how they are shared out among jobs, and which of a job are trained side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, zip_longest
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

Unit = list["Cell"]
"""What must be done by one job: a cell and those that replay it."""


@dataclass(frozen=True)
class Cell:
    """One run of a grid.

    Attributes:
        study: folder of the study, ``<outputs>/<study>``.
        name: the rest of the run directory, ``<task>/<model>/<strategy>/split<j>/seed<k>``.
        overrides: what the command line says of this cell.
        group: cells of equal group share images and frozen backbone, hence the feature cache.
        replays: name of the cell whose selection this one replays, or None.
        stack: cells of equal stack can be trained side by side; None: this one is trained alone.
    """

    study: str
    name: str
    overrides: tuple[str, ...]
    group: str
    replays: str | None = None
    stack: str | None = None

    @property
    def folder(self) -> Path:
        """The run directory."""
        return Path(self.study) / self.name


def pack(cells: Iterable[Cell], size: int) -> list[list[Cell]]:
    """Share cells out in jobs of at most ``size`` cells of one group, those of a stack side by side.

    A cell that replays another one's selection is in the same job, behind it; such a job may be larger. The first
    jobs of all groups come first, so that every feature cache is begun early and by one job, whatever the
    number of jobs that run at a time.
    """

    def of_group(members: list[Cell]) -> list[list[Cell]]:
        packs: list[list[Cell]] = []
        for unit in chain(*_by_stack(members).values()):
            if not packs or len(packs[-1]) + len(unit) > size:
                packs.append([])
            packs[-1] += unit
        return packs

    return _in_layers(cells, of_group)


def pack_stacks(cells: Iterable[Cell], most: int) -> list[list[Cell]]:
    """Share cells out in jobs: what can be trained side by side, up to ``most`` cells, or one cell that cannot.

    Cells that replay others, and the order of the jobs, are as in ``pack``.
    """

    def of_group(members: list[Cell]) -> list[list[Cell]]:
        return [
            list(chain(*units))
            for stack, of_stack in _by_stack(members).items()
            for units in _even_parts(of_stack, 1 if stack is None else most)
        ]

    return _in_layers(cells, of_group)


def spread(cells: Iterable[Cell], jobs: int) -> list[list[Cell]]:
    """Share cells out evenly in at most ``jobs`` jobs, those of a group or a stack in as few as that allows.

    Jobs that share a stack take turns in the order of the command line, so that each gets of every strategy: some
    take longer than others.
    """
    cells = _sorted(cells)
    shares: list[list[Cell]] = [[] for _ in range(jobs)]
    taken = 0
    for _, members in groupby(cells, key=lambda cell: cell.group):
        for units in _by_stack(list(members)).values():
            places = []
            for unit in units:
                places.append(taken * jobs // len(cells))
                taken += len(unit)
            for unit, place in zip(units, _in_turn(places), strict=True):
                shares[place] += unit
    return [share for share in shares if share]


def stacks(cells: Sequence[Cell], most: int) -> list[list[Cell]]:
    """Return the cells of a job as they are done, one list after the other, those of a list side by side.

    Cells that replay others come behind them.

    Args:
        cells: those of a group in one piece.
        most: cells of a stack.
    """
    present = {(cell.study, cell.name) for cell in cells}
    found: list[list[Cell]] = []
    for _, members in groupby(cells, key=lambda cell: cell.group):
        by_stack: dict[str | Cell, list[Cell]] = {}
        for cell in sorted(members, key=lambda cell: (cell.study, cell.replays) in present):
            by_stack.setdefault(cell.stack or cell, []).append(cell)
        found += [part for stack in by_stack.values() for part in _even_parts(stack, most)]
    return found


def _in_layers(cells: Iterable[Cell], jobs_of: Callable[[list[Cell]], list[list[Cell]]]) -> list[list[Cell]]:
    """Return the jobs of all groups, the first job of each group first."""
    by_group = [jobs_of(list(members)) for _, members in groupby(_sorted(cells), key=lambda cell: cell.group)]
    return [job for layer in zip_longest(*by_group) for job in layer if job is not None]


def _even_parts(items: list[T], most: int) -> Iterator[list[T]]:
    """Yield as few parts of at most ``most`` items as there can be, none more than one item larger than another."""
    parts = -(-len(items) // most)
    for part in range(parts):
        yield items[part * len(items) // parts : (part + 1) * len(items) // parts]


def _in_turn(places: Sequence[int]) -> list[int]:
    """Return [0, 0, 1, 1] as [0, 1, 0, 1]: each place as often as before, but in turn."""
    rounds = [places[:index].count(place) for index, place in enumerate(places)]
    return [place for _, place in sorted(zip(rounds, places, strict=True))]


def _sorted(cells: Iterable[Cell]) -> list[Cell]:
    return sorted(cells, key=lambda cell: cell.group)  # stable: the order of the command line is kept


def _by_stack(cells: Sequence[Cell]) -> dict[str | None, list[Unit]]:
    """Return the units of a group by the stack that their first cells belong to, in order of appearance."""
    found: dict[str | None, list[Unit]] = {}
    for unit in _units(cells):
        found.setdefault(unit[0].stack, []).append(unit)
    return found


def _units(cells: Sequence[Cell]) -> Iterator[Unit]:
    present = {(cell.study, cell.name) for cell in cells}
    followers: dict[tuple[str, str | None], list[Cell]] = {}
    for cell in cells:
        if (cell.study, cell.replays) in present:
            followers.setdefault((cell.study, cell.replays), []).append(cell)
    for cell in cells:
        if (cell.study, cell.replays) not in present:
            yield [cell, *followers.get((cell.study, cell.name), [])]
