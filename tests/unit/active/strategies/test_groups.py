from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coilal.active.outputs import PoolOutputs, Selection
from coilal.active.strategies.baseline import random
from coilal.active.strategies.coreset import coreset
from coilal.active.strategies.groups import TOP, per_group, whole_groups
from coilal.active.strategies.multiclass import margin
from tests.pools import distances, normal, pool_of

RNG = np.random.default_rng
GROUPS = np.arange(60) // 6


def test_a_ranking_is_walked_down_passing_over_full_groups() -> None:
    outputs = replace(pool_of(normal(60, 2), logits=normal(60, 4, seed=1)), groups=GROUPS)
    ranking = margin(outputs, 60, RNG(0)).ids - 100
    expected: list[int] = []
    for image in ranking.tolist():
        if [GROUPS[i] for i in expected].count(GROUPS[image]) < 2:
            expected.append(image)
    assert (per_group(margin, outputs, 15, RNG(0), 2).ids - 100).tolist() == expected[:15]


def test_what_is_taken_counts_as_labelled_when_the_strategy_is_asked_again() -> None:
    asked: list[PoolOutputs] = []

    def query(outputs: PoolOutputs, size: int, generator: np.random.Generator) -> Selection:
        asked.append(outputs)
        return coreset(outputs, size, generator)

    rows = normal(64, 5)
    outputs = replace(pool_of(rows, 4, logits=normal(64, 3)), groups=GROUPS)
    chosen = per_group(query, outputs, 10, RNG(0), 1)
    assert sorted(GROUPS[chosen.ids - 100]) == list(range(10))
    for call in asked:
        assert call.labelled is not None
        assert call.labelled_logits is not None
        assert call.features is not None
        assert len(call.labelled) == len(call.labelled_logits) == 4 + (60 - len(call) - _of_full_groups(call))
        np.testing.assert_array_equal(call.features.take(np.arange(len(call))), rows[call.ids - 100])
    assert asked[0].taken is None
    for call in asked[1:]:
        assert call.taken is not None
        assert set(call.taken.ids) == set(chosen.ids[: len(call.taken)])
        assert call.taken.logits is not None
        assert len(call.taken) == len(call.taken.logits) == len(call.labelled or ()) - 4
    first = distances(rows[:60], rows[60:]).min(axis=1).argmax()
    assert chosen.ids[0] - 100 == first


def _of_full_groups(call: PoolOutputs) -> int:
    """Return how many images are left out because their group is full, those taken left out."""
    full = set(range(10)) - set(GROUPS[call.ids - 100].tolist())
    return 5 * len(full)


def test_where_all_groups_are_full_each_gives_as_many_again(caplog: pytest.LogCaptureFixture) -> None:
    outputs = replace(pool_of(normal(60, 2), logits=normal(60, 4, seed=1)), groups=GROUPS)
    with caplog.at_level("INFO"):
        chosen = per_group(margin, outputs, 33, RNG(0), 2)
    counts = np.bincount(GROUPS[chosen.ids - 100])
    assert (counts >= 2).all()
    assert counts.max() <= 4
    assert "each group has given 2 images, and 13 of the batch are missing" in caplog.text


def test_groups_must_be_known() -> None:
    with pytest.raises(ValueError, match="needs the groups"):
        per_group(margin, pool_of(normal(9, 2), logits=normal(9, 3)), 3, RNG(0), 1)


@pytest.mark.parametrize("direction", [1, -1])
def test_whole_groups_are_taken_by_the_mean_of_their_best_images(direction: int) -> None:
    values = RNG(1).normal(size=60)

    def query(outputs: PoolOutputs, size: int, generator: np.random.Generator) -> Selection:
        assert size == 60
        order = np.argsort(direction * values[outputs.ids - 100])
        return Selection(outputs.ids[order], values[outputs.ids - 100][order])

    outputs = replace(pool_of(normal(60, 2)), groups=GROUPS)
    means = [np.sort(direction * values[group == GROUPS])[:TOP].mean() for group in range(10)]
    expected = [
        int(image)
        for group in np.argsort(means)[:3]
        for image in sorted(np.flatnonzero(group == GROUPS), key=lambda image: direction * values[image])
    ]
    assert (whole_groups(query, outputs, RNG(0), 3).ids - 100).tolist() == expected
    assert len(whole_groups(query, outputs, RNG(0), 99).ids) == 60


def test_where_images_are_drawn_so_are_groups() -> None:
    outputs = replace(pool_of(normal(60, 2)), groups=GROUPS)
    chosen = [frozenset(GROUPS[whole_groups(random, outputs, RNG(seed), 2).ids - 100]) for seed in range(40)]
    assert {len(groups) for groups in chosen} == {2}
    assert len(set(chosen)) > 15
