"""From what Hydra's sweeper hands over to the cells of a grid."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from hydra.types import HydraContext
from omegaconf import DictConfig

from coilal.common.types import UserError
from coilal.runs import same_data
from coilal.runs.run import is_done
from coilal.runs.settings import Settings
from coilal.runs.stacking import alike, why_alone
from coilal.sweep.cells import Cell
from coilal.sweep.composer import Composer


@dataclass(frozen=True)
class Grid:
    """The cells of a launch, in the order of the command line.

    Attributes:
        cells: all of them.
        configs: the composed settings of each, Hydra's own included: what its job is to do, whatever becomes of
            the files of the configuration meanwhile.
        settings: the same, read and checked.
        refused: cells whose directory holds a run of other settings, and what differs.
        forced: cells that are to be done again if they are done.
        done: cells that are finished, and not to be done again.
    """

    cells: tuple[Cell, ...]
    configs: Mapping[Cell, DictConfig]
    settings: Mapping[Cell, Settings]
    refused: Mapping[Cell, str]
    forced: frozenset[Cell]
    done: frozenset[Cell]


def compose(
    context: HydraContext,
    config: DictConfig,
    overrides: Sequence[Sequence[str]],
    on_first: Callable[[Settings], None] = lambda _: None,
) -> Grid:
    """Compose the settings of every cell.

    Args:
        context: Hydra's.
        config: the settings of the multirun.
        overrides: what the command line says of each cell.
        on_first: called with the settings of the first cell that is to be done, once it is known that there is one.

    Raises:
        UserError: a setting is missing or of a wrong value, or two cells have the same run directory.
    """
    configs: dict[Cell, DictConfig] = {}
    known: dict[Cell, Settings] = {}
    cells: list[Cell] = []
    refused: dict[Cell, str] = {}
    forced: set[Cell] = set()
    done: set[Cell] = set()
    told = False
    composer = Composer(context, config)
    for given in overrides:
        composed = composer.compose(given)
        settings = Settings.of(composed)
        cell = _cell(settings, given)
        cells.append(cell)
        configs[cell], known[cell] = composed, settings
        if settings.force:
            forced.add(cell)
        try:
            to_do = not is_done(settings)
        except UserError as error:
            refused[cell], to_do = str(error), False
        if not to_do and cell not in refused:
            done.add(cell)
        if to_do and not told:
            on_first(settings)
            told = True
    _check_distinct(cells)
    return Grid(tuple(cells), configs, known, refused, frozenset(forced), frozenset(done))


def with_changes_refused(grid: Grid) -> Grid:
    """Return the grid, with those finished cells refused whose data or weights have changed since.

    Nothing is decoded for that: a launcher may run on a login node.
    """
    now, refused = same_data.Now(decode=False), dict(grid.refused)
    for cell in grid.cells:
        if cell in grid.done:
            try:
                same_data.ensure_of_finished(grid.settings[cell], cell.folder, now)
            except UserError as error:
                refused[cell] = str(error)
    return replace(grid, refused=refused)


def _cell(settings: Settings, overrides: Sequence[str]) -> Cell:
    study = settings.outputs / settings.study
    source = settings.folder(settings.task.replay) if settings.task.replay else None
    replays = source.relative_to(study).as_posix() if source else None
    name = settings.folder().relative_to(study).as_posix()
    features = json.dumps(settings.features(), sort_keys=True)
    group = hashlib.sha256(features.encode()).hexdigest()[:12]
    stack = None if why_alone(settings) else alike(settings)
    return Cell(str(study), name, tuple(overrides), group, replays, stack)


def _check_distinct(cells: Sequence[Cell]) -> None:
    folder, count = Counter(cell.folder for cell in cells).most_common(1)[0]
    if count > 1:
        raise UserError(
            f"{count} cells of this grid have the same run directory, {folder}. What is swept besides task, model, "
            "strategy and seed must be swept together with study, or in launches of different study=…"
        )
