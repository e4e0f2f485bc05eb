from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import setup_globals
from hydra.errors import ConfigCompositionException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf

from coilal.common.cli import conf_folder
from coilal.sweep.composer import Composer


class Counted:
    """Hydra's loader, counting what it composes."""

    def __init__(self) -> None:
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        self.hydra, self.config = hydra, hydra.compose_config("train", ["study=x"], RunMode.MULTIRUN)
        self.composed = 0

    def load_sweep_config(self, config: DictConfig, given: list[str]) -> DictConfig:
        self.composed += 1
        return self.hydra.config_loader.load_sweep_config(config, given)

    def get_group_options(self, group: str) -> list[str]:
        return self.hydra.config_loader.get_group_options(group)


@pytest.fixture
def loader() -> Iterator[Counted]:
    setup_globals()
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=conf_folder(), job_name="train"):
        yield Counted()


@pytest.fixture
def composer(loader: Counted) -> Composer:
    return Composer(HydraContext(config_loader=loader, callbacks=None), loader.config)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cells", "composed"),
    [
        (["seed=0 strategy=margin", "seed=1 strategy=margin", "seed=2 strategy=margin"], 1),
        (["strategy=margin seed=0", "strategy=random seed=0", "strategy=margin seed=1"], 2),
        (["model.optimizer.lr_head=1e-3 force=true", "model.optimizer.lr_head=0.01 force=false"], 1),
        (["seed=0 seed=3", "seed=1 seed=0"], 1),
        (["budget.labelled=[8,16]", "budget.labelled=[8,24]"], 2),
        (["study=a", "study=b"], 2),
        (["seed=0", "seed='1'"], 2),
        (["model.optimizer.lr_head=1 model.optimizer={lr_head: 2}"] * 2, 1),
        (
            [
                "model.optimizer.lr_head=1 model.optimizer={lr_head: 2}",
                "model.optimizer.lr_head=3 model.optimizer={lr_head: 2}",
            ],
            2,
        ),
        (["+data.mine=1 seed=0", "+data.mine=1 seed=5"], 1),
        (["+data.mine=1", "+data.mine=2"], 2),
        (["~budget.query seed=0", "~budget.query seed=1"], 1),
    ],
)
def test_settings_are_those_that_hydra_composes(
    composer: Composer, loader: Counted, cells: list[str], composed: int
) -> None:
    given = [[part.replace(";", " ") for part in cell.replace(": ", ":;").split()] for cell in cells]
    found = [composer.compose(each) for each in given]
    assert loader.composed == composed
    for each, config in zip(given, found, strict=True):
        expected = loader.hydra.config_loader.load_sweep_config(loader.config, each)
        assert config == expected
        assert list(config.hydra.overrides.task) == each
        assert OmegaConf.to_container(config, resolve=False) == OmegaConf.to_container(expected, resolve=False)


def test_cells_do_not_share_their_settings(composer: Composer) -> None:
    first, second = composer.compose(["seed=0"]), composer.compose(["seed=1"])
    assert (first.seed, first.seeds.train, second.seed, second.seeds.train) == (0, 0, 1, 1)
    second.data.split.test = 0.5
    assert composer.compose(["seed=2"]).data.split.test == first.data.split.test != 0.5


def test_what_is_resolved_once_for_a_multirun_stays_resolved(composer: Composer, loader: Counted) -> None:
    OmegaConf.register_resolver("test_clock", lambda: time.perf_counter(), use_cache=True, replace=True)
    OmegaConf.update(loader.config, "study", "${test_clock:}")
    begun = loader.config.study
    cells = [composer.compose([f"seed={seed}", "study='${test_clock:}'"]) for seed in range(2)]
    assert [cell.study for cell in cells] == [begun, begun]


def test_a_setting_that_does_not_exist_is_refused(composer: Composer) -> None:
    for value in (1, 2):
        with pytest.raises(ConfigCompositionException, match="no_such"):
            composer.compose([f"no_such={value}"])
