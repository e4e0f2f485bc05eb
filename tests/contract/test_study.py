"""The grids of the experiments: what the study compares, and that every cell of them can run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from coilal.active.strategies.strategy import Strategy, names_fitting
from coilal.common.cli import conf_folder
from coilal.common.instantiate import instantiate
from coilal.runs.rules import resolved
from coilal.sweep.rows import expand

CONF = Path(conf_folder())
MODELS = ("dino_l", "dino_s", "effnet")
KINDS = {"multiclass": "multiclass", "multilabel": "multilabel", "multilabel_from_multiclass": "multiclass"}
# The rows of the original study, as issue 4 lists them.
ORIGINAL = {
    ("dino_l", "multiclass"): "random margin",
    ("dino_l", "multilabel"): "random avg_confidence",
    ("dino_s", "multiclass"): "random entropy margin uncertainty",
    ("dino_s", "multilabel"): "random avg_confidence avg_score max_score",
    ("dino_s", "multilabel_from_multiclass"): "random entropy margin uncertainty",
    ("effnet", "multiclass"): "random entropy margin uncertainty",
    ("effnet", "multilabel"): "random avg_confidence",
}
Cell = tuple[str, str, str]


@pytest.fixture
def cells_of() -> Iterator[Callable[[str], list[Cell]]]:
    """Return a function: experiment → (model, task, strategy) of its cells."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=conf_folder()):

        def cells(experiment: str) -> list[Cell]:
            cfg = compose("train", overrides=[f"experiment={experiment}"], return_hydra_config=True)
            rows: Any = OmegaConf.to_container(cfg.hydra.sweeper.rows)
            found = [dict(item.split("=") for item in cell) for cell in expand(rows, [])]
            return [(cell["model"], cell["task"], cell["strategy"]) for cell in found]

        yield cells


CellsOf = Callable[[str], list[Cell]]


@pytest.mark.parametrize("experiment", ["study", "smoke"])
def test_the_grid_is_that_of_the_original_study(experiment: str, cells_of: CellsOf) -> None:
    expected = {(*pair, strategy) for pair, names in ORIGINAL.items() for strategy in names.split()}
    found = cells_of(experiment)
    assert len(found) == len(expected) == 22
    assert set(found) == expected


def test_the_full_study_has_every_fitting_strategy_on_every_model_of_the_study(cells_of: CellsOf) -> None:
    expected = {
        (model, task, strategy)
        for model in MODELS
        for task, kind in KINDS.items()
        for strategy in names_fitting(CONF / "strategy", kind)  # type: ignore[arg-type]
        if strategy not in {"bald", "power_bald"}  # the published heads on DINOv2 have no dropout
    }
    found = cells_of("study_full")
    assert len(found) == len(expected)
    assert set(found) == expected


@pytest.mark.parametrize("experiment", ["study", "study_full"])
def test_what_replays_finds_its_source_in_the_same_grid(experiment: str, cells_of: CellsOf) -> None:
    found = cells_of(experiment)
    replaying = [(model, strategy) for model, task, strategy in found if task == "multilabel_from_multiclass"]
    assert replaying
    assert all((model, "multiclass", strategy) in found for model, strategy in replaying)


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["study", "smoke"])
@pytest.mark.parametrize("row", ORIGINAL, ids="-".join)
def test_every_cell_composes_and_its_strategy_fits_its_task(
    experiment: str, row: tuple[str, str], composed: Callable[..., DictConfig]
) -> None:
    model, task = row
    for name in ORIGINAL[row].split():
        cfg = composed(f"experiment={experiment}", f"model={model}", f"task={task}", f"strategy={name}", "seed=1")
        assert resolved(cfg)["study"] == experiment
        strategy: Strategy = instantiate(cfg.strategy)
        strategy.check(cfg.task.replay or instantiate(cfg.task.module).kind, ())
        assert (cfg.task.lr_scale < 1) == (task == "multilabel_from_multiclass")
