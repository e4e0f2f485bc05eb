"""Every search of conf/hparams_search composes, and its space holds settings that there are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra_plugins.hydra_optuna_sweeper._impl import create_params_from_overrides
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import CategoricalDistribution

from coilal.common.cli import conf_folder
from coilal.sweep.sweepers import SearchSweeper

SEARCHES = sorted(path.stem for path in (Path(conf_folder()) / "hparams_search").glob("*.yaml"))
MODELS, TASKS = ("dino_s", "dino_l", "effnet", "tiny"), ("multiclass", "multilabel")


@pytest.fixture(autouse=True)
def hydra() -> Iterator[None]:
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=conf_folder()):
        yield
    HydraConfig.instance().cfg = None


def composed(*overrides: str) -> DictConfig:
    cfg = compose("train", overrides=["hydra.job.name=train", *overrides], return_hydra_config=True)
    HydraConfig.instance().set_config(cfg)
    return cfg


def test_there_is_a_search_for_every_model_and_task() -> None:
    assert set(SEARCHES) == {f"{model}_{task}" for model in MODELS for task in TASKS}


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_is_of_its_model_and_task_and_looks_at_the_validation_split(name: str) -> None:
    cfg = composed(f"hparams_search={name}", "study=s")
    assert f"{cfg.model.name}_{cfg.task.name}" == name
    assert cfg.score_validation is True
    assert cfg.hparams.source == "default"
    assert list(cfg.budget.labelled) == [cfg.budget.initial], "the starting set, unless the user states a count"
    sweeper: Any = OmegaConf.to_container(cfg.hydra.sweeper, resolve=True)
    assert sweeper["storage"] == f"sqlite:///outputs/s/optuna/{name}.db"
    assert (sweeper["direction"], sweeper["sampler"]["seed"]) == ("maximize", 0)
    assert sweeper["sampler"]["_target_"].endswith("TPESampler")
    assert sweeper["_target_"].endswith(SearchSweeper.__name__)


@pytest.mark.slow
@pytest.mark.parametrize("name", SEARCHES)
def test_both_ends_of_every_range_and_every_choice_are_settings(name: str) -> None:
    params: Any = OmegaConf.to_container(composed(f"hparams_search={name}").hydra.sweeper.params)
    space, fixed, _ = create_params_from_overrides([f"{key}={value}" for key, value in params.items()])
    assert not fixed
    values = {
        key: kind.choices if isinstance(kind, CategoricalDistribution) else (kind.low, kind.high)
        for key, kind in space.items()
    }
    for place in range(max(map(len, values.values()))):
        taken = {
            key: among[place % len(among)] for key, among in values.items()
        }  # all keys at once: fewer composed
        cfg = composed(f"hparams_search={name}", *(f"{key}={value}" for key, value in taken.items()))
        for key, value in taken.items():
            assert str(OmegaConf.select(cfg, key)).replace(" ", "") == str(value)


def test_another_sampler_is_chosen_by_hydras_override() -> None:
    cfg = composed("hparams_search=tiny_multiclass", "hydra/sweeper/sampler=random")
    assert cfg.hydra.sweeper.sampler._target_ == "optuna.samplers.RandomSampler"
    assert cfg.hydra.sweeper.sampler.seed == 0


def test_hydra_finds_the_sweeper() -> None:
    assert SearchSweeper in Plugins.instance().discover(Sweeper)


@pytest.mark.parametrize(
    "path", sorted((Path(conf_folder()) / "hparams/published").glob("*.yaml")), ids=lambda p: p.stem
)
def test_published_values_are_marked_and_taken(path: Path) -> None:
    assert "# PUBLISHED" in path.read_text()
    assert composed(f"model={path.stem}").hparams.source == f"published/{path.stem}"
