from __future__ import annotations

import math

import numpy as np
import pytest

from coilal.evidence.crossing import first_crossing, interval
from coilal.evidence.report_settings import ReportSettings
from coilal.evidence.savings import label_saving, targets_for
from coilal.evidence.units import Units

LABELLED = np.array([10, 20, 40, 80])
SETTINGS = ReportSettings(resamples=500)


@pytest.mark.parametrize(
    ("curve", "target", "labels", "cycle"),
    [
        ([0.2, 0.4, 0.6, 0.8], 0.5, 30, 2),
        ([0.2, 0.4, 0.6, 0.8], 0.4, 20, 1),
        ([0.2, 0.4, 0.6, 0.8], 0.1, 10, 0),
        ([0.2, 0.4, 0.6, 0.8], 0.81, math.inf, -1),
        ([0.2, 0.6, 0.3, 0.7], 0.5, 17.5, 1),
        ([0.5, 0.2, 0.2, 0.6], 0.5, 10, 0),
    ],
)
def test_first_crossing(curve: list[float], target: float, labels: float, cycle: int) -> None:
    found = first_crossing(LABELLED, np.array([curve]), target)
    assert (found.labels[0], found.cycle[0]) == (pytest.approx(labels), cycle)


def test_first_crossing_agrees_with_a_fine_grid() -> None:
    generator = np.random.default_rng(0)
    grid = np.linspace(10, 80, 70_001)
    curves = generator.uniform(0, 1, (50, 4))
    found = first_crossing(LABELLED, curves, 0.6)
    for curve, labels in zip(curves, found.labels, strict=True):
        reached = grid[np.interp(grid, LABELLED, curve) >= 0.6]
        assert labels == pytest.approx(reached[0] if len(reached) else math.inf, abs=2e-3)


def test_weights_are_resamples_with_the_mean_first() -> None:
    weights = Units.seeds(5).weights(300)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(weights[0], 0.2)
    np.testing.assert_allclose(np.mod(weights[1:] * 5, 1).round(9) % 1, 0)


def test_interval_takes_infinite_values_and_needs_six_seeds() -> None:
    values = np.concatenate([np.arange(90.0), np.full(10, np.inf)])
    low, high = interval(values, values, Units.seeds(50), 0.95)
    assert 0 < low < 5
    assert high == math.inf
    assert np.isnan(interval(values, values, Units.seeds(5), 0.95)).all()


def flat(level: float, seeds: int = 6) -> np.ndarray:
    return np.tile([0.2, level / 2 + 0.1, level, level], (seeds, 1))


def test_saving_is_one_minus_the_ratio() -> None:
    fast, slow = np.tile([0.2, 0.6, 0.7, 0.8], (6, 1)), np.tile([0.2, 0.4, 0.6, 0.8], (6, 1))
    found = label_saving(LABELLED, fast, slow, 0.6, Units.seeds(6), SETTINGS)
    assert (found.labels, found.baseline_labels) == (20, 40)
    assert found.saving == pytest.approx(0.5)
    assert found.bound == "exact"
    assert found.low <= found.saving <= found.high


def test_censoring_gives_bounds_and_is_never_dropped() -> None:
    reaches, stays = flat(0.8), flat(0.5)
    better = label_saving(LABELLED, reaches, stays, 0.7, Units.seeds(6), SETTINGS)
    assert (better.bound, better.baseline_labels) == ("at least", math.inf)
    assert better.saving == pytest.approx(1 - better.labels / 80)
    worse = label_saving(LABELLED, stays, reaches, 0.7, Units.seeds(6), SETTINGS)
    assert (worse.bound, worse.labels) == ("at most", math.inf)
    assert worse.saving == pytest.approx(1 - 80 / worse.baseline_labels)
    assert worse.low == -math.inf
    neither = label_saving(LABELLED, stays, stays, 0.7, Units.seeds(6), SETTINGS)
    assert (neither.bound, neither.low, neither.high) == ("unknown", -math.inf, 1)


def test_censored_resamples_open_the_interval() -> None:
    """A strategy that half of its seeds never get there: the mean does, resamples of it do not."""
    mixed = np.vstack([flat(0.95, 3), flat(0.45, 3)])
    found = label_saving(LABELLED, mixed, flat(0.8, 6), 0.65, Units.seeds(6), SETTINGS)
    assert math.isfinite(found.labels)
    assert found.labels_high == math.inf
    assert found.low == -math.inf


def test_targets() -> None:
    curves = np.array([[0.2, 0.5, 0.6], [0.4, 0.7, 0.6]])
    assert targets_for(curves, ReportSettings(target_shares=(0.5, 1.0))) == (0.45, 0.6)
    assert targets_for(curves, ReportSettings(targets=(0.7,))) == (0.7,)
    assert targets_for(np.array([[0.5, 0.4]]), ReportSettings()) == (), "a curve that does not rise has no targets"
