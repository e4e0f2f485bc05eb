from __future__ import annotations

import numpy as np
import pytest

from coilal.evidence.units import Units, stretched


def test_seeds_of_one_split_are_left_as_they_are() -> None:
    values = np.random.default_rng(0).normal(size=(4, 3))
    units = Units.seeds(4)
    np.testing.assert_array_equal(units.means(values), values)
    assert (units.count, units.runs, units.testable) == (4, 4, True)
    assert not Units.seeds(1).testable
    assert not Units.seeds(0).testable


def test_the_value_of_a_split_is_the_mean_over_its_seeds_whatever_their_number() -> None:
    units = Units.splits([2, 2, 7, 2, 9], 0.4)
    values = np.array([[1.0, np.nan], [2.0, 4.0], [10.0, 0.0], [3.0, 2.0], [7.0, 1.0]])
    np.testing.assert_allclose(units.means(values), [[2.0, 3.0], [10.0, 0.0], [7.0, 1.0]])
    np.testing.assert_allclose(units.means(values[:, 0]), [2.0, 10.0, 7.0])
    assert (units.count, units.runs, units.testable) == (3, 5, True)
    assert not Units.splits([0, 0, 1, 1], 0.4).testable


def test_bootstrap_intervals_are_withheld_where_they_cannot_cover() -> None:
    assert [Units.seeds(count).resampled for count in (5, 6)] == [False, True]
    assert [Units.splits(range(count), 0.4).resampled for count in (4, 5)] == [False, True]


def test_resamples_are_of_whole_splits_around_the_mean_of_the_splits() -> None:
    units = Units.splits([0, 0, 0, 1, 2, 2], 0.0)
    weights = units.weights(400)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(weights[0], [1 / 9, 1 / 9, 1 / 9, 1 / 3, 1 / 6, 1 / 6])
    of_splits = np.column_stack([weights[:, :3].sum(axis=1), weights[:, 3], weights[:, 4:].sum(axis=1)])
    np.testing.assert_allclose(np.mod(of_splits[1:] * 3 + 1e-9, 1), 0, atol=1e-8)


@pytest.mark.parametrize("overlap", [0.0, 0.25])
def test_resampled_means_spread_as_those_of_overlapping_splits(overlap: float) -> None:
    values = np.random.default_rng(1).normal(size=8)
    means = Units.splits(range(8), overlap).weights(40_000)[1:] @ values
    assert means.var() == pytest.approx(values.var() * (1 / 8 + overlap), rel=0.03)
    assert stretched(values, overlap).var(ddof=1) / 8 == pytest.approx(values.var(ddof=1) * (1 / 8 + overlap))
