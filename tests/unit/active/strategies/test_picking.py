from __future__ import annotations

import numpy as np
import pytest

from coilal.active.features import Features
from coilal.active.strategies.picking import nearest_squared_distances, pick_highest, sample, squared_distances
from tests.pools import distances, normal

RNG = np.random.default_rng


def test_values_that_are_equal_but_for_rounding_take_turns() -> None:
    values = np.array([1, 3, 3 * (1 - 1e-6), 2, -np.inf])
    assert {pick_highest(values, RNG(seed)) for seed in range(30)} == {1, 2}
    assert {pick_highest(np.array([np.inf, 0, np.inf]), RNG(seed)) for seed in range(30)} == {0, 2}
    assert {pick_highest(np.array([0.0, -np.inf, 0.0]), RNG(seed)) for seed in range(30)} == {0, 2}
    assert pick_highest(np.array([-2.0, -1.0, -np.inf]), RNG(0)) == 1


def test_a_sample_is_all_that_there_is_or_as_many_as_may_be() -> None:
    assert sample(5, 5, RNG(0)).tolist() == [0, 1, 2, 3, 4]
    drawn = sample(100, 10, RNG(0))
    assert len(set(drawn.tolist())) == 10
    assert (np.diff(drawn) > 0).all()


@pytest.mark.parametrize("width", [1, 3, 700])
def test_distances(width: int) -> None:
    rows = normal(90, width) * 4 + 3
    rows[7] = rows[3]
    features, others = Features(rows, np.arange(60)), Features(rows, np.arange(60, 90))
    found = squared_distances(features, rows[3])
    np.testing.assert_allclose(found, np.square(distances(rows[:60], rows[3:4]))[:, 0], rtol=2e-3, atol=1e-3)
    assert found[[3, 7]].tolist() == [0, 0]
    nearest = nearest_squared_distances(features, others)
    np.testing.assert_allclose(
        nearest, np.square(distances(rows[:60], rows[60:])).min(axis=1), rtol=2e-3, atol=1e-3
    )
    assert np.isinf(nearest_squared_distances(features, others.subset(np.arange(0)))).all()
