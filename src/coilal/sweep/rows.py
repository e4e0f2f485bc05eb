"""The sweeper of all grids, also of those that are no full product because the strategies differ by task.

The grid is a list of rows, each a product of its own. What the command line sweeps besides multiplies all rows; the
single empty row, conf/hydra/sweeper/basic.yaml, is the product of the command line.

Hydra imports this module whenever it starts (entry points in pyproject.toml), so that it imports little itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from hydra.conf import HydraConf
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from coilal.common.types import UserError

# A row as the yaml has it: values by setting, each one value or a list of them.
Row = Mapping[str, Any]


class RowsSweeper(Sweeper):
    """Sweeps over the cells of all rows.

    Args:
        rows: the rows; all have the same settings.
        params: what is swept in every row unless the command line says otherwise, for example ``{"seed": "0,1"}``.
    """

    def __init__(self, rows: Sequence[Row], params: Mapping[str, str]) -> None:
        self.rows, self.params = rows, params

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over, and make the launcher."""
        self._loader = hydra_context.config_loader
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Sequence[JobReturn]:
        """Launch all cells together; raise what the launcher found wrong with them."""
        defaults = [f"{key}={values}" for key, values in self.params.items()]
        parser = OverridesParser.create(config_loader=self._loader)
        cells = expand(self.rows, parser.parse_overrides([*defaults, *arguments]))
        results = self._launcher.launch(cells, initial_job_idx=0)
        for result in results:
            _ = result.return_value
        return results


def expand(rows: Sequence[Row], overrides: Sequence[Override]) -> list[list[str]]:
    """Return the overrides of every cell of the rows under a command line.

    A value of the command line that some row has picks the cells with this value, ``task=multilabel`` for
    example. A value that no row has replaces that of every cell (``model=tiny``); cells that thereby become the
    same are one.

    Args:
        rows: see ``RowsSweeper``.
        overrides: what the command line says; of two values for one setting the later one counts.

    Raises:
        UserError: the rows are not of equal settings, no cell is left, or a sweep is not a list of values.
    """
    cells = _cells(rows)
    known = {key: {cell[key] for cell in cells} for key in rows[0]}
    deleted = list(dict.fromkeys(str(override.input_line) for override in overrides if override.is_delete()))
    swept = {override.get_key_element(): _values(override) for override in overrides if not override.is_delete()}
    for key in [key for key in known if key in swept]:
        cells = [cell for value in swept.pop(key) for cell in _with(cells, key, value, value in known[key])]
    if not cells:
        raise UserError(f"no cell of the grid fits the command line; the grid is\n{_described(rows)}")
    distinct = {tuple(cell.items()): cell for cell in cells}.values()
    return [
        [*(f"{key}={value}" for key, value in (others | cell).items()), *deleted]
        for cell in distinct
        for others in _product(swept)
    ]


def ensure_one_cell(hydra: HydraConf) -> None:
    """Refuse a single run of a grid that does not name its cell: it would be a run that is not in the grid.

    Args:
        hydra: Hydra's own settings of the run.

    Raises:
        UserError: the sweeper has rows, and the command line leaves some of their settings open.
    """
    rows = hydra.sweeper.get("rows") or [{}]
    given = {override.partition("=")[0] for override in hydra.overrides.task}
    still_open = [str(key) for key in rows[0] if key not in given]
    if still_open:
        raise UserError(
            f"experiment={hydra.runtime.choices['experiment']} is a grid: run it with\n"
            "  python -m coilal.train -m …\n"
            f"A single run of it also names {', '.join(still_open)}."
        )


@dataclass
class RowsConf:
    """Settings of the sweeper."""

    _target_: str = f"{__name__}.RowsSweeper"
    rows: list[dict[str, Any]] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    _convert_: str = "all"


# The checked type behind conf/hydra/sweeper/rows.yaml.
ConfigStore.instance().store(group="hydra/sweeper", name="coilal_rows", node=RowsConf, provider="coilal")


def _cells(rows: Sequence[Row]) -> list[dict[str, str]]:
    if not rows or any(row.keys() != rows[0].keys() for row in rows):
        raise UserError(
            "hydra.sweeper.rows must be a list of rows with the same settings, for example\n"
            f"  - {{model: tiny, task: multiclass, strategy: [random, margin]}}\nThe rows are\n{_described(rows)}"
        )
    return [cell for row in rows for cell in _product({key: _strings(values) for key, values in row.items()})]


def _product(values: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]


def _with(cells: Sequence[dict[str, str]], key: str, value: str, known: bool) -> list[dict[str, str]]:
    if known:
        return [cell for cell in cells if cell[key] == value]
    return [cell | {key: value} for cell in cells]


def _values(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    if not override.is_discrete_sweep():
        raise UserError(f"{override.input_line} is no list of values; a grid takes key=value,value")
    return list(override.sweep_string_iterator())


def _described(rows: Sequence[Row]) -> str:
    return "\n".join(
        "  " + "  ".join(f"{key}={','.join(_strings(values))}" for key, values in row.items()) for row in rows
    )


def _strings(values: Any) -> list[str]:
    return [str(value) for value in (values if isinstance(values, list) else [values])]
