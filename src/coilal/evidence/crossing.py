"""Labels needed to reach a target on a mean learning curve, and intervals of what resamples of it need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coilal.common.types import FloatArray, IntArray
from coilal.evidence.paired import expanded_confidence
from coilal.evidence.units import Units


@dataclass(frozen=True)
class Crossing:
    """Where mean curves first reach a target, an entry for each of B curves.

    Attributes:
        labels: labelled images needed (B); infinite where the target is never reached.
        cycle: the cycle at whose end it is reached (B), 0 for the starting set; −1 where it never is.
    """

    labels: FloatArray
    cycle: IntArray


def first_crossing(labelled: IntArray, curves: FloatArray, target: float) -> Crossing:
    """Return where each curve (B, T) first reaches the target, by linear interpolation between cycles.

    A curve that starts above the target needs the starting set, which is an upper bound.
    """
    counts = labelled.astype(np.float64)
    reached = curves >= target
    cycle = np.where(reached.any(axis=1), reached.argmax(axis=1), -1)
    rows = np.arange(len(curves))
    before, after = np.maximum(cycle - 1, 0), np.maximum(cycle, 0)
    low, high = curves[rows, before], curves[rows, after]
    rise = np.where(high > low, high - low, 1.0)
    share = np.where(cycle > 0, (target - low) / rise, 0.0)
    labels = counts[before] + share * (counts[after] - counts[before])
    return Crossing(np.where(cycle < 0, np.inf, labels), cycle.astype(np.int64))


def interval(lows: FloatArray, highs: FloatArray, units: Units, confidence: float) -> tuple[float, float]:
    """Return the expanded percentile interval of resampled values (B), which may be infinite.

    NaN below six seeds or five splits, where no bootstrap interval covers.

    Args:
        lows: the statistic in each resample; where censoring leaves it open, the least that it could be.
        highs: the same, the most that it could be.
        units: what was resampled.
        confidence: nominal level.
    """
    if not units.resampled:
        return float("nan"), float("nan")
    tail = (1 - expanded_confidence(units.count, confidence)) / 2
    # order statistics: an interpolation between infinite values would be undefined
    low = np.quantile(lows, tail, method="inverted_cdf")
    high = np.quantile(highs, 1 - tail, method="inverted_cdf")
    return float(low), float(high)
