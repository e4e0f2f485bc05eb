"""Hydra's plugin for hyperparameter searches, ``hydra/sweeper=optuna``.

Hydra imports this module whenever it starts (entry points in pyproject.toml), so that it imports little itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_optuna_sweeper.config import OptunaSweeperConf
from omegaconf import DictConfig


class SearchSweeper(Sweeper):
    """Searches hyperparameters; a shell around ``coilal.sweep.search.optuna_sweeper.Search``, which imports Optuna.

    Args:
        settings: those of ``SearchConf``.
    """

    def __init__(self, **settings: Any) -> None:
        from coilal.sweep.search.optuna_sweeper import Search

        self._search = Search(**settings)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over."""
        self._search.setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> None:
        """Search; the arguments are the overrides of the command line."""
        self._search.sweep(arguments)


@dataclass
class SearchConf(OptunaSweeperConf):
    """Settings of a search: those of Hydra's Optuna sweeper, and where and on which seeds trials are run."""

    _target_: str = f"{__name__}.SearchSweeper"
    defaults: list[Any] = field(default_factory=list)  # the sampler is chosen in conf/hydra/sweeper/optuna.yaml
    folder: str = "???"
    seeds: list[int] = field(default_factory=list)


# The checked type behind conf/hydra/sweeper/optuna.yaml.
ConfigStore.instance().store(group="hydra/sweeper", name="coilal_optuna", node=SearchConf, provider="coilal")
