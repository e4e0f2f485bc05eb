"""Composes the settings of the cells of a grid: by Hydra, or from a cell before that differs in numbers alone.

Hydra reads and merges some twenty files for each cell, and most cells differ from another one in their seed alone.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from functools import cache

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf


class Composer:
    """Composes one cell after the other.

    Args:
        context: Hydra's.
        config: the settings of the multirun.
    """

    def __init__(self, context: HydraContext, config: DictConfig) -> None:
        self._loader, self._config = context.config_loader, config
        self._parser = OverridesParser.create(config_loader=self._loader)
        self._composed: dict[tuple[str, ...], bytes] = {}  # pickled: a third of the time of a deep copy
        self._is_group = cache(lambda key: bool(self._loader.get_group_options(key)))

    def compose(self, given: Sequence[str]) -> DictConfig:
        """Return the settings of a cell, Hydra's own included, as Hydra composes them.

        Args:
            given: what the command line says of it.

        Raises:
            HydraException: a setting does not exist, or cannot be read.
        """
        overrides = self._parser.parse_overrides(list(given))
        numbers = self._numbers(overrides)
        shape = tuple(
            f"{override.key_or_group}=NUMBER" if place in numbers else str(override.input_line)
            for place, override in enumerate(overrides)
        )
        if shape not in self._composed:
            first = self._loader.load_sweep_config(self._config, list(given))
            self._composed[shape] = pickle.dumps(first)
            return first
        composed: DictConfig = pickle.loads(self._composed[shape])
        for place in numbers:
            OmegaConf.update(composed, overrides[place].key_or_group, overrides[place].value())
        composed.hydra.overrides.task = [
            override.input_line for override in overrides if not override.is_hydra_override()
        ]
        OmegaConf.copy_cache(from_config=self._config, to_config=composed)
        return composed

    def _numbers(self, overrides: Sequence[Override]) -> list[int]:
        """Return the places of the overrides that set a number (or a switch) and do no more than that.

        What is composed depends on choices of groups alone. A number counts as something else where another
        override sets, adds or deletes what it stands in, so that their order matters.
        """
        values = [not self._is_group(override.key_or_group) for override in overrides]
        candidates = [
            place for place, override in enumerate(overrides) if values[place] and _sets_a_number(override)
        ]
        others = [
            override.key_or_group
            for place, override in enumerate(overrides)
            if values[place] and place not in candidates
        ]
        return [
            place
            for place in candidates
            if not any(f"{overrides[place].key_or_group}.".startswith(f"{key}.") for key in others)
        ]


def _sets_a_number(override: Override) -> bool:
    return (
        override.type is OverrideType.CHANGE
        and override.package is None
        and not override.is_hydra_override()
        and not override.is_sweep_override()
        and isinstance(override.value(), int | float)
    )
