"""The cells of a grid, and how they are shared out among jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from pathlib import Path


@dataclass(frozen=True)
class Cell:
    """One run of a grid.

    Attributes:
        study: folder of the study, ``<outputs>/<study>``.
        name: the rest of the run directory, ``<task>/<model>/<strategy>/seed<k>``.
        overrides: what the command line says of this cell.
        group: cells of equal group share images and frozen backbone, hence the feature cache.
        replays: name of the cell whose selection this one replays, or None.
    """

    study: str
    name: str
    overrides: tuple[str, ...]
    group: str
    replays: str | None = None

    @property
    def folder(self) -> Path:
        """The run directory."""
        return Path(self.study) / self.name


def pack(cells: Iterable[Cell], size: int) -> list[list[Cell]]:
    """Share cells out in jobs of at most ``size`` cells of one group.

    A cell that replays another one's selection is in the same job, behind it; such a job may be larger. The first
    jobs of all groups come first, so that every feature cache is begun early and by one job, whatever the
    number of jobs that run at a time.
    """
    by_group = []
    for _, members in groupby(_sorted(cells), key=lambda cell: cell.group):
        packs: list[list[Cell]] = []
        for unit in _units(list(members)):
            if not packs or len(packs[-1]) + len(unit) > size:
                packs.append([])
            packs[-1] += unit
        by_group.append(packs)
    return [job for layer in zip_longest(*by_group) for job in layer if job is not None]


def spread(cells: Iterable[Cell], jobs: int) -> list[list[Cell]]:
    """Share cells out evenly in at most ``jobs`` jobs, the cells of a group in as few of them as that allows.

    Jobs that share a group take turns in the order of the command line, so that each gets of every strategy: some
    take longer than others.
    """
    cells = _sorted(cells)
    shares: list[list[Cell]] = [[] for _ in range(jobs)]
    taken = 0
    for _, members in groupby(cells, key=lambda cell: cell.group):
        units = list(_units(list(members)))
        places = []
        for unit in units:
            places.append(taken * jobs // len(cells))
            taken += len(unit)
        for unit, place in zip(units, _in_turn(places), strict=True):
            shares[place] += unit
    return [share for share in shares if share]


def _in_turn(places: Sequence[int]) -> list[int]:
    """Return [0, 0, 1, 1] as [0, 1, 0, 1]: each place as often as before, but in turn."""
    rounds = [places[:index].count(place) for index, place in enumerate(places)]
    return [place for _, place in sorted(zip(rounds, places, strict=True))]


def _sorted(cells: Iterable[Cell]) -> list[Cell]:
    return sorted(cells, key=lambda cell: cell.group)  # stable: the order of the command line is kept


def _units(cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """Yield lists of cells that must be done by one job: a cell and those that replay it."""
    present = {(cell.study, cell.name) for cell in cells}
    followers: dict[tuple[str, str | None], list[Cell]] = {}
    for cell in cells:
        if (cell.study, cell.replays) in present:
            followers.setdefault((cell.study, cell.replays), []).append(cell)
    for cell in cells:
        if (cell.study, cell.replays) not in present:
            yield [cell, *followers.get((cell.study, cell.name), [])]
