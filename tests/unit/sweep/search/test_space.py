"""What a search cannot vary, or would misread, is refused with what can be typed instead."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from coilal.common.types import UserError
from coilal.sweep.search.space import check_sampler, check_space, grid_size, is_hyperparameter, values_given

GROUPS = {"strategy": "random", "model": "tiny", "task": "multiclass", "hydra/launcher": "local"}
CONFIG = OmegaConf.create(
    {"model": {"head": {"dropout": 0.5}}, "trainer": {"max_epochs": 10}, "budget": {"query": 3}}
)


def check(*overrides: str) -> list[str]:
    return check_space(OverridesParser.create().parse_overrides(list(overrides)), GROUPS, CONFIG)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("strategy=random,margin", "a search finds values for one strategy and cannot vary it"),
        ("model=choice(tiny,mobilenet)", "one model and cannot vary it"),
        ("seed=1,2", "hydra.sweeper.seeds"),
        ("seed=3", "hydra.sweeper.seeds"),
        ("seeds.split=1,2", "cannot vary seeds.split: each split tests images that others learn from"),
        ("split=0,1", "Give one, as split=0"),
        ("seeds.start=1,2", "seeds.start: it has no best value"),
        ("study=a,b", "study: it has no best value"),
        (
            "data.image.fit=squash,crop",
            "data.image.fit: its trials are compared on the same images, labels and split",
        ),
        ("data.split.test=interval(0.1,0.3)", "data.split.test: its trials are compared on the same"),
        ("data.source.good_class=a,b", "with another study=…"),
        ("cache.max_gb=1,2", "cache.max_gb: it has no best value"),
        ("trainer.gradient_clip_val=null,1", "cannot propose null"),
    ],
)
def test_what_cannot_be_varied(override: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        check(override)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("override", "meant"),
    [
        ("model.head.dropout=range(0.1,0.5,0.2)", ["interval(0.1,0.5)", "choice(0.1,0.3)"]),
        ("trainer.max_epochs=tag(log, range(1,4))", ["tag(log, int(interval(1,4)))", "choice(1,2,3)"]),
        ("trainer.max_epochs=range(1,400)", ["int(interval(1,400))"]),
        ("trainer.max_epochs=interval(1,9)", ["int(interval(1,9))"]),
        ("trainer.max_epochs=tag(log, interval(1,2))", ["tag(log, int(interval(1,2)))"]),
    ],
)
def test_what_would_be_misread_is_refused_with_what_can_be_typed(override: str, meant: list[str]) -> None:
    with pytest.raises(UserError) as error:
        check(override)
    key = override.partition("=")[0]
    for way in meant:
        (typed,) = shlex.split(f'"{key}={way}"')
        assert f'"{typed}"' in str(error.value)
        check(typed)


def test_settings_that_are_no_hyperparameters_are_returned() -> None:
    assert check("model.head.dropout=0.1,0.2", "budget.query=1,2", "strategy=margin", "study=x") == ["budget.query"]


@pytest.mark.parametrize(
    ("key", "is_one"),
    [
        ("model.head.hidden", True),
        ("model.trainable", True),
        ("model.head_start", False),
        ("trainer.precision", False),
        ("seed", False),
        ("task", False),
    ],
)
def test_hyperparameters_are_those_that_a_file_of_values_may_hold(key: str, is_one: bool) -> None:
    assert is_hyperparameter(key) is is_one


SPACE = {"a": IntDistribution(1, 5, step=2), "b": CategoricalDistribution(["x", "y"])}


def test_a_grid_needs_lists_and_ends() -> None:
    grid, tpe = (
        OmegaConf.create({"_target_": f"optuna.samplers.{name}"}) for name in ("GridSampler", "TPESampler")
    )
    check_sampler(grid, SPACE)
    assert grid_size(grid, SPACE | {"c": FloatDistribution(0.0, 1.0, step=0.25)}) == 3 * 2 * 5
    assert grid_size(tpe, SPACE) == float("inf")
    with pytest.raises(UserError, match=r"an interval of them: c; give each a list"):
        check_sampler(grid, SPACE | {"c": FloatDistribution(0.0, 1.0)})


def test_samplers_that_cannot_work_are_refused_with_those_that_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"motpe is no longer(.|\n)*sampler=tpe"):
        check_sampler(OmegaConf.create({"_target_": "x.raise_motpe_removed"}), SPACE)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"needs the package cmaes(.|\n)*sampler=tpe"):
        check_sampler(OmegaConf.create({"_target_": "optuna.samplers.CmaEsSampler"}), SPACE)


GIVEN: dict[str, Any] = {"n_trials": 1, "n_jobs": 1, "max_failure_rate": 1.0, "direction": "maximize"}


@pytest.mark.parametrize(
    "changed",
    [
        {"n_trials": 0},
        {"n_jobs": 0},
        {"max_failure_rate": 2.0},
        {"direction": ["maximize", "minimize"]},
        {"direction": "up"},
    ],
)
def test_settings_of_the_sweeper(changed: dict[str, Any]) -> None:
    values_given(GIVEN, [0, 1])
    (key,) = changed
    with pytest.raises(UserError, match=rf"hydra\.sweeper\.{key} is "):
        values_given(GIVEN | changed, [0, 1])


@pytest.mark.parametrize("seeds", [[], [1, 1], [-1]])
def test_seeds_of_a_trial(seeds: list[int]) -> None:
    with pytest.raises(UserError, match=r"hydra\.sweeper\.seeds is \["):
        values_given(GIVEN, seeds)
