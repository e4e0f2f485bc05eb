from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper

from coilal.common.cli import conf_folder
from coilal.common.types import UserError
from coilal.sweep.rows import RowsSweeper, ensure_one_cell, expand

ROWS: list[dict[str, Any]] = [
    {"model": "large", "task": "multiclass", "strategy": ["random", "margin"]},
    {"model": "small", "task": ["multiclass", "multilabel"], "strategy": "random"},
]


def cells(*overrides: str, rows: list[dict[str, Any]] = ROWS) -> list[str]:
    return [" ".join(cell) for cell in expand(rows, OverridesParser.create().parse_overrides(list(overrides)))]


def test_a_row_is_the_product_of_its_lists() -> None:
    assert cells() == [
        "model=large task=multiclass strategy=random",
        "model=large task=multiclass strategy=margin",
        "model=small task=multiclass strategy=random",
        "model=small task=multilabel strategy=random",
    ]


def test_other_sweeps_multiply_every_row() -> None:
    found = cells("study=mine", "seed=3,4")
    assert len(found) == 2 * len(cells())
    assert found[:2] == [f"study=mine seed={k} model=large task=multiclass strategy=random" for k in (3, 4)]
    assert cells("study=mine", "seed=range(3,5)") == found


def test_of_two_values_for_a_setting_the_later_one_counts() -> None:
    assert cells("seed=0,1,2", "seed=7") == cells("seed=7")


def test_a_value_of_some_row_picks_its_cells() -> None:
    assert cells("task=multilabel") == ["model=small task=multilabel strategy=random"]
    assert cells("strategy=margin,random", "model=large") == [cells()[1], cells()[0]]


def test_a_value_of_no_row_replaces_that_of_all_and_equal_cells_are_one() -> None:
    assert cells("model=other") == [
        "model=other task=multiclass strategy=random",
        "model=other task=multiclass strategy=margin",
        "model=other task=multilabel strategy=random",
    ]


@pytest.mark.parametrize("pair", [("task=multilabel", "strategy=entropy"), ("model=small", "strategy=random")])
def test_the_order_on_the_command_line_does_not_matter(pair: tuple[str, str]) -> None:
    assert cells(*pair) == cells(*reversed(pair))


def test_a_grid_without_a_cell_is_refused_and_shown() -> None:
    with pytest.raises(UserError, match=r"model=large  task=multiclass  strategy=random,margin"):
        cells("model=small", "strategy=margin")


@pytest.mark.parametrize("rows", [[], [{"model": "large"}, {"task": "multilabel"}]])
def test_rows_of_unequal_settings_are_refused(rows: list[dict[str, Any]]) -> None:
    with pytest.raises(UserError, match=r"hydra\.sweeper\.rows"):
        cells(rows=rows)


def test_what_is_deleted_is_deleted_in_every_cell() -> None:
    """Hydra's own sweeper makes ``~key=null`` of it, which deletes a setting only if it is null."""
    found = cells("~data.source.label_names", "seed=0,1", "~a.b=7")
    assert len(found) == 2 * len(cells())
    assert all(cell.endswith(" ~data.source.label_names ~a.b=7") for cell in found)


def test_a_sweep_over_an_interval_is_refused() -> None:
    with pytest.raises(UserError, match=r"interval\(0,1\)"):
        cells("seed=interval(0,1)")


@pytest.mark.parametrize(
    "overrides",
    [
        ("strategy=random,margin", "seed=0,1", "study=x"),
        ("seed=range(1,4)",),
        ("strategy=choice(random,margin)", "seed=sort(range(0,6,2),reverse=true)"),
        ("strategy=glob(m*)", "+trainer.log_every_n_steps=1,2"),
        ("seed=0,1", "seed=2", "outputs='a, b'"),
        ("budget.labelled=[4,8],[4,16]",),
        ("strategy=sort(margin,entropy)", "trainer.precision='32-true','bf16-mixed'"),
    ],
)
@pytest.mark.usefixtures("conf")
def test_one_row_that_leaves_all_open_is_the_product_that_hydras_own_sweeper_makes(
    overrides: tuple[str, ...],
) -> None:
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    parsed = OverridesParser.create(config_loader=hydra.config_loader).parse_overrides(list(overrides))
    assert [expand([{}], parsed)] == BasicSweeper.split_arguments(parsed, None)


@pytest.fixture
def conf() -> Iterator[None]:
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=conf_folder()):
        yield
    HydraConfig.instance().cfg = None


def hydra_settings(*overrides: str) -> Any:
    return compose("train", overrides=list(overrides), return_hydra_config=True).hydra


@pytest.mark.usefixtures("conf")
def test_the_sweeper_is_found_by_hydra_under_the_name_of_its_file() -> None:
    assert hydra_settings("hydra/sweeper=rows").sweeper._target_.endswith(f".{RowsSweeper.__name__}")
    assert RowsSweeper in Plugins.instance().discover(Sweeper)


@pytest.mark.usefixtures("conf")
def test_what_is_swept_by_default_is_the_product() -> None:
    sweeper = hydra_settings().sweeper
    assert sweeper._target_.endswith(f".{RowsSweeper.__name__}")
    assert (sweeper.rows, sweeper.params) == ([{}], {})
    assert hydra_settings("experiment=study").sweeper.rows != [{}]


@pytest.mark.usefixtures("conf")
def test_a_single_run_of_a_grid_must_name_its_cell() -> None:
    with pytest.raises(UserError, match=r"experiment=study is a grid(.|\n)* -m (.|\n)*names task, strategy"):
        ensure_one_cell(hydra_settings("experiment=study", "model=dino_s"))
    ensure_one_cell(hydra_settings("experiment=study", "model=dino_s", "task=multiclass", "strategy=margin"))
    ensure_one_cell(hydra_settings("strategy=margin"))
