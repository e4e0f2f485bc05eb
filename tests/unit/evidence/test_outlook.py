"""What is expected of the next labels, against made up curves; those that we have published: test_truncated.py."""

from __future__ import annotations

import math

import numpy as np
import pytest

from coilal.evidence.extrapolation import LearningCurve
from coilal.evidence.outlook import LAST, Brought, Outlook, outlook

LABELLED = np.arange(16, 305, 24)


def brought(values: np.ndarray, half: float = 0.0) -> Brought:
    value = float(values[-1] - values[-1 - LAST])
    return Brought(value, value - half, value + half)


def exact(cycles: int) -> LearningCurve:
    values = 0.95 - 0.6 * np.exp(-LABELLED / 120)
    return LearningCurve(LABELLED, values, np.zeros(len(LABELLED))).first(cycles)


def gains(labelled: np.ndarray) -> np.ndarray:
    return 0.6 * np.exp(-labelled / 120) * (1 - math.exp(-72 / 120))


def test_of_a_curve_without_noise_it_is_the_true_gain_and_the_true_place_to_stop() -> None:
    curve = exact(8)
    found = outlook(curve, brought(curve.mean), 72, 0.03)
    assert found.family == "exp3"
    assert found.value == pytest.approx(gains(np.array([184.0]))[0], abs=1e-3)
    assert found.verdict == "go on"
    assert found.stop is not None
    starts = np.arange(184, 297)
    assert found.stop.labels == pytest.approx(starts[gains(starts) < 0.03][0], abs=2)
    assert found.stop.low <= found.stop.labels <= found.stop.high


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [
        (0.02, 0, 0.04, "stop"),
        (0.02, 0.01, 0.06, "not sure"),
        (0.07, -0.01, 0.1, "not sure"),
        (0.07, 0.01, 0.1, "go on"),
    ],
)
def test_the_verdict_is_of_the_interval(value: float, low: float, high: float, verdict: str) -> None:
    assert Outlook(72, value, low, high, 0.05).verdict == verdict


def test_an_interval_is_never_narrower_than_what_the_last_batches_are_known_by() -> None:
    curve = exact(10)
    narrow, wide = (outlook(curve, brought(curve.mean, half), 72, 0.05) for half in (0.0, 0.08))
    assert wide.high - wide.low >= 0.16 > narrow.high - narrow.low
    assert wide.value == narrow.value


def test_where_no_curve_can_be_followed_the_next_labels_are_taken_for_the_last_ones_and_it_says_why() -> None:
    few, jump = exact(5), exact(9)
    jump.mean[:4] -= 0.3
    for curve, labels, reason in (
        (few, 72, "5 cycles are too few"),
        (jump, 72, "The earlier cycles do not tell the later ones"),
        (exact(6), 150, "150 labels more are over 2 times the 136, and no curve is followed so far"),
    ):
        last = brought(curve.mean, 0.01)
        found = outlook(curve, last, labels, 0.05)
        assert (found.value, found.low, found.high) == (last.value, last.low, last.high)
        assert found.stop is None
        assert reason in found.reason


@pytest.mark.parametrize("cycles", [10, 5])
def test_without_an_interval_of_the_last_ones_there_is_none_of_the_next(cycles: int) -> None:
    curve = exact(cycles)
    last = Brought(0.01, np.nan, np.nan)
    found = outlook(curve, last, 72, 0.05)
    assert found.value == outlook(curve, Brought(0.01, 0.0, 0.02), 72, 0.05).value
    assert np.isnan([found.low, found.high]).all()
    assert found.verdict == "not sure"
    assert (found.stop is None) == (cycles == 5)
    if found.stop is not None:
        assert np.isfinite(found.stop.labels)
        assert np.isnan([found.stop.low, found.stop.high]).all()


def test_no_more_is_expected_than_is_missing() -> None:
    curve = LearningCurve(np.array([24, 48, 72, 96]), np.array([0.72, 0.9, 0.93, 0.94]), np.zeros(4))
    found = outlook(curve, Brought(0.22, -0.46, 0.86), 72, 0.05)
    assert found.value == pytest.approx(0.06)
    assert (found.low, found.high) == (-0.46, 0.86)
