from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import setup_globals
from hydra.types import HydraContext, RunMode
from omegaconf import OmegaConf

from coilal.common.cli import conf_folder
from coilal.common.types import UserError
from coilal.sweep.cells import Cell
from coilal.sweep.compose import Grid, compose


@pytest.fixture
def grid_of() -> Iterator[Callable[..., Grid]]:
    """Return a function: overrides of each cell → grid."""
    setup_globals()
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=conf_folder(), job_name="train"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        config = hydra.compose_config("train", [], RunMode.MULTIRUN)
        context = HydraContext(config_loader=hydra.config_loader, callbacks=None)  # type: ignore[arg-type]

        yield lambda *overrides, **more: compose(context, config, [given.split() for given in overrides], **more)


@pytest.fixture
def cells_of(grid_of: Callable[..., Grid]) -> Callable[..., tuple[Cell, ...]]:
    """Return a function: overrides of each cell → cells."""
    return lambda *overrides: grid_of(*overrides).cells


def test_a_cell_is_its_run_directory_and_what_was_typed(cells_of) -> None:  # type: ignore[no-untyped-def]
    (cell,) = cells_of("study=mine strategy=margin seed=3")
    assert cell.study == "outputs/mine"
    assert cell.name == "multiclass/tiny/margin/split0/seed3"
    assert cell.overrides == ("study=mine", "strategy=margin", "seed=3")
    assert cell.replays is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("difference", "same"),
    [
        ("strategy=random", True),
        ("seed=5", True),
        ("task=multilabel strategy=avg_score", True),
        ("model.head.hidden=[8]", True),
        ("model.trainable=1", False),
        ("model=mobilenet", False),
        ("data.image.size=[56,42]", False),
        ("trainer.precision=bf16-mixed", False),
    ],
)
def test_cells_whose_frozen_features_are_the_same_are_a_group(cells_of, difference: str, same: bool) -> None:  # type: ignore[no-untyped-def]
    first, second = cells_of("seed=0", f"study=other {difference}")
    assert (first.group == second.group) is same


def test_a_replaying_cell_knows_its_source(cells_of) -> None:  # type: ignore[no-untyped-def]
    source, replay = cells_of("strategy=margin", "strategy=margin task=multilabel_from_multiclass")
    assert replay.replays == source.name


def test_a_cell_keeps_its_composed_settings_for_its_job(grid_of) -> None:  # type: ignore[no-untyped-def]
    grid = grid_of("seed=3", "seed=4 strategy=margin")
    composed = [pickle.loads(pickle.dumps(grid.configs[cell])) for cell in grid.cells]
    assert [(cfg.seed, cfg.strategy.name) for cfg in composed] == [(3, "entropy"), (4, "margin")]
    assert composed[1].hydra.overrides.task == ["seed=4", "strategy=margin"]
    assert composed[1].seeds.train == 4, "references still hold in the job"


@pytest.mark.slow
def test_the_first_cell_that_is_to_be_done_is_told_once(grid_of, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    here = f"outputs={tmp_path}"
    (done,) = grid_of(f"{here} seed=0").cells
    done.folder.mkdir(parents=True)
    settings = grid_of(f"{here} seed=0").settings[done]
    (done.folder / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(settings.config)))
    (done.folder / "status.json").write_text('{"state": "done"}')
    told: list[int] = []
    grid_of(*(f"{here} seed={seed}" for seed in range(3)), on_first=lambda first: told.append(first.seed))
    assert told == [1]
    grid_of(f"{here} seed=0", on_first=lambda first: told.append(first.seed))
    assert told == [1]


def test_two_cells_of_one_directory_are_refused(cells_of) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match=r"seed0.*study"):
        cells_of("budget.query=8", "budget.query=16")


def test_a_missing_setting_is_named_before_anything_starts(cells_of) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match=r"data\.root"):
        cells_of("data=coils")


def test_wrong_values_are_refused_before_anything_is_launched_or_removed(cells_of) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match="force is 'no'; allowed: true or false"):
        cells_of("seed=0 force=no", "seed=1 force=no")
