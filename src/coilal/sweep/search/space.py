"""What a search may vary, and with which sampler: what cannot work is refused before the first trial."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep, Sweep
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from coilal.common.typed import shell
from coilal.common.types import UserError

HYPERPARAMETERS = (
    *("model.batch_size", "model.head", "model.optimizer", "model.trainable", "model.pooling"),
    *("trainer.max_epochs", "trainer.gradient_clip_val", "task.module.class_weights", "task.lr_scale"),
    "augmentation",
)
"""Settings, with what they hold, that a search finds values of, for all later runs of a model and task."""

NOT_SWEPT = ("split", "seed", "seeds", "study", "outputs", "force", "cache", "logger", "hydra")
"""Settings whose best value means nothing, or that a trial has its own values of."""

DATA = "data"  # with all that it holds: images, labels or split, which must be the same for values to be compared

LISTED = 20  # values that a message lists at most


def is_hyperparameter(key: str) -> bool:
    """Return whether a setting is one that values found by a search may be written of."""
    return f"{key}.".startswith(tuple(f"{name}." for name in HYPERPARAMETERS))


def check_space(overrides: Sequence[Override], groups: Collection[str], config: DictConfig) -> list[str]:
    """Return the settings that are searched and are no hyperparameters.

    Args:
        overrides: what the settings of the search and the command line give or vary.
        groups: names of the groups of the configuration.
        config: the settings that hold where the overrides say nothing.

    Raises:
        UserError: a group, a seed or the data are varied, or values are given in a way that would be misread.
    """
    varied = [override for override in overrides if override.is_sweep_override()]
    for override in overrides:
        if override.key_or_group == "seed":
            example = shell("hydra.sweeper.seeds=[0,1,2]")
            raise UserError(f"{override.input_line}: a trial is run on each of hydra.sweeper.seeds; set {example}")
    for override in varied:
        _check_setting(override.key_or_group, groups)
        _check_values(override, config)
    return [override.key_or_group for override in varied if not is_hyperparameter(override.key_or_group)]


def check_sampler(sampler: DictConfig, space: Mapping[str, BaseDistribution]) -> None:
    """Refuse a sampler that would fail at its first proposal or after a trial.

    Raises:
        UserError: names what works instead.
    """
    name = str(sampler._target_).rpartition(".")[2]
    others = "hydra/sweeper/sampler=tpe, random, gp, qmc, nsgaii or nsgaiii work"
    if name == "raise_motpe_removed":
        raise UserError(f"hydra/sweeper/sampler=motpe is no longer part of Optuna; {others}")
    if name == "CmaEsSampler" and importlib.util.find_spec("cmaes") is None:
        raise UserError(
            f"hydra/sweeper/sampler=cmaes needs the package cmaes (pip install cmaes), which is not here; {others}"
        )
    endless = [key for key, kind in space.items() if name == "GridSampler" and grid_values(kind) is None]
    if endless:
        example = shell(f"{endless[0]}=choice(…,…)")
        raise UserError(
            f"hydra/sweeper/sampler=grid tries all values, and these settings have an interval of them: "
            f"{', '.join(endless)}; give each a list as {example}"
        )


def grid_size(sampler: DictConfig, space: Mapping[str, BaseDistribution]) -> float:
    """Return how many trials there can be: all combinations of a grid, else infinitely many."""
    if not str(sampler._target_).endswith(".GridSampler"):
        return math.inf
    return math.prod(grid_values(kind) or 1 for kind in space.values())


def grid_values(kind: BaseDistribution) -> int | None:
    """Return how many values a setting of a search has; None: infinitely many."""
    if isinstance(kind, CategoricalDistribution):
        return len(kind.choices)
    if isinstance(kind, IntDistribution):
        return (kind.high - kind.low) // kind.step + 1
    assert isinstance(kind, FloatDistribution)
    return None if kind.step is None else round((kind.high - kind.low) / kind.step) + 1


def _check_setting(key: str, groups: Collection[str]) -> None:
    if key in groups:
        raise UserError(
            f"a search finds values for one {key} and cannot vary it. Make a search for each, with another "
            "study=…, or compare them in a grid, without hparams_search"
        )
    if f"{key}.".startswith(f"{DATA}."):
        raise UserError(
            f"a search cannot vary {key}: its trials are compared on the same images, labels and split. Make a "
            "search for each value, with another study=…"
        )
    if key in ("split", "seeds.split"):
        raise UserError(
            f"a search cannot vary {key}: each split tests images that others learn from, so that values chosen on "
            "several have seen what they are tested on. Give one, as split=0; runs on other splits say how many of "
            "the images that they test it has seen"
        )
    if f"{key}.".startswith(tuple(f"{name}." for name in NOT_SWEPT)):
        raise UserError(f"a search cannot vary {key}: it has no best value")


def _check_values(override: Override, config: DictConfig) -> None:
    key, value = override.key_or_group, override.value()
    if isinstance(value, RangeSweep):
        raise UserError(_instead_of_range(override, value))
    if isinstance(value, ChoiceSweep) and any(choice is None for choice in value.list):
        raise UserError(
            f"{override.input_line}: a search cannot propose null; make a search for {key}=null of its own"
        )
    whole = type(OmegaConf.select(config, key)) is int
    if isinstance(value, IntervalSweep) and whole and isinstance(value.start, float):
        meant = shell(f"{key}={_interval(value, int(value.start), int(value.end or 0), whole)}")
        raise UserError(f"{override.input_line} would try fractions, and {key} is a whole number: write {meant}")


def _instead_of_range(override: Override, value: RangeSweep) -> str:
    """Return what to write for a range, of which the sweeper leaves out the end and ignores a log tag."""
    key, whole = override.key_or_group, isinstance(value.start, int) and isinstance(value.stop, int)
    ways = [shell(f"{key}={_interval(value, value.start, value.stop, whole)}") + " with both ends"]
    values = list(override.sweep_string_iterator())
    if len(values) <= LISTED:
        ways.append(shell(f"{key}=choice({','.join(values)})") + ", which is what range means")
    return f"{override.input_line}: in a search, range leaves out its end; write {' or '.join(ways)}"


def _interval(value: Sweep, low: Any, high: Any, whole: bool) -> str:
    """Return an interval as it is typed, with the tag of a sweep."""
    interval = f"int(interval({low},{high}))" if whole else f"interval({low},{high})"
    return f"tag(log, {interval})" if "log" in value.tags else interval


def values_given(settings: Mapping[str, Any], seeds: Sequence[int]) -> None:
    """Refuse settings of the sweeper that would end in a traceback, or in trials that all fail.

    Args:
        settings: those of Hydra's Optuna sweeper.
        seeds: the runs of a trial.

    Raises:
        UserError: names the first one that cannot be used.
    """
    wrong = {
        "seeds": not seeds or len({*seeds}) < len(seeds) or min(seeds) < 0,
        "n_trials": settings["n_trials"] < 1,
        "n_jobs": settings["n_jobs"] < 1,
        "max_failure_rate": not 0 <= settings["max_failure_rate"] <= 1,
        "direction": getattr(settings["direction"], "name", settings["direction"]) not in ("maximize", "minimize"),
    }
    allowed = {
        "seeds": "one whole number at least, 0 or more, all different",
        "n_trials": "a whole number, 1 or more",
        "n_jobs": "a whole number, 1 or more",
        "max_failure_rate": "a number from 0 to 1",
        "direction": "maximize or minimize; a run has one value",
    }
    for name in [name for name in wrong if wrong[name]]:
        given = list(seeds) if name == "seeds" else settings[name]
        raise UserError(f"hydra.sweeper.{name} is {given}; allowed: {allowed[name]}")
