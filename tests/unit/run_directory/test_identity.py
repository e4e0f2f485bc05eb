"""Settings that determine a result, and those that do not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from omegaconf import DictConfig

from coilal.run_directory.identity import ADDED, differences, flatten, identity_hash
from coilal.runs.rules import resolved

CONFIG = {
    "seed": 0,
    "outputs": "a",
    "logger": {},
    "cache": {"dir": "a", "precision": "auto", "max_gb": None, "memory_gb": 4},
    "outputs_kept": True,
}


@pytest.mark.parametrize("change", [{"outputs": "b"}, {"logger": {"csv": {"dir": "b"}}}, {"force": True}])
def test_where_things_lie_determines_nothing(change: dict[str, object]) -> None:
    assert differences(CONFIG, CONFIG | change) == []
    assert identity_hash(CONFIG) == identity_hash(CONFIG | change)


def test_of_the_cache_only_the_precision_determines_something() -> None:
    cache = {"dir": "b", "precision": "auto", "max_gb": 1, "memory_gb": 1}
    assert differences(CONFIG, CONFIG | {"cache": cache}) == []
    assert differences(CONFIG, CONFIG | {"cache": cache | {"precision": "float16"}}) == [
        "cache.precision: auto → float16"
    ]


def test_a_name_that_only_begins_like_one_of_them_counts() -> None:
    assert differences(CONFIG, CONFIG | {"outputs_kept": False}) == ["outputs_kept: True → False"]


@pytest.mark.parametrize("data", ["coils", "folder"])
def test_runs_that_lack_a_new_setting_go_on_with_its_default(
    composed: Callable[..., DictConfig], data: str
) -> None:
    settings = flatten(resolved(composed(f"data={data}", "data.root=x")))
    for key in ("data.source.similar_names", "data.source.no_value", "data.source.unlabelled"):
        assert settings[key] == ADDED[key]


def test_runs_of_before_the_range_of_values_was_a_setting_go_on() -> None:
    image = {"size": [8, 8], "fit": "squash", "mode": "L"}
    before = CONFIG | {"data": {"image": image}}
    assert differences(before, CONFIG | {"data": {"image": image | {"range": "auto", "page": None}}}) == []
    assert differences(before, CONFIG | {"data": {"image": image | {"range": [0, 4095], "page": 1}}}) == [
        "data.image.page: (not set) → 1",
        "data.image.range: (not set) → [0, 4095]",
    ]


def test_runs_of_before_the_rooms_go_on() -> None:
    before = {"strategy": {"query": {"_target_": "coilal.strategies.entropy.entropy"}}}
    now = {"strategy": {"query": {"_target_": "coilal.active.strategies.entropy.entropy"}}}
    assert differences(before, now) == []
    assert identity_hash(before) == identity_hash(now)


def test_of_a_given_split_neither_shares_nor_seed_count() -> None:
    before = {"data": {"split": {"validation": 0.1, "test": 0.2}}, "seeds": {"split": 0, "train": 0}}
    after = {"data": {"split": {"validation": 0.3, "test": 0.2}}, "seeds": {"split": 1, "train": 0}}
    assert len(differences(before, after)) == 2
    assert differences(before, after, split_is_given=True) == []
    assert differences(before, {**after, "seeds": {"split": 0, "train": 1}}, split_is_given=True) == [
        "seeds.train: 0 → 1"
    ]
