"""What the next labels are expected to bring, and from when on that is too little: of studies and of sessions.

From the fitted learning curve; where that cannot be followed, from what the last batches have brought, with the
reason. docs/evaluation.md has how often such advice was right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from coilal.common.types import FloatArray
from coilal.evidence.extrapolation import FARTHEST, QUANTILE, Extrapolation, LearningCurve, Refusal

LAST = 3
"""Batches that are looked back on, and ahead to."""
LEAST_GAIN = 0.05
"""What so many batches must add to be worth their labels, where nothing else is set."""

Verdict = Literal["stop", "not sure", "go on"]


@dataclass(frozen=True)
class Brought:
    """What the last batches have brought, in units of the metric.

    Attributes:
        value: the difference.
        low: lower end of its interval, NaN where there are too few for one.
        high: upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Stop:
    """The labelled count from which the next batches are expected to bring less than is worth them.

    Attributes:
        labels: where the fitted curve says so; infinite: not within the reach of the fit.
        low: where the lower end of its interval does; NaN where there is none.
        high: where the upper end does.
    """

    labels: float
    low: float
    high: float


@dataclass(frozen=True)
class Outlook:
    """What the next labels are expected to bring.

    Attributes:
        labels: how many.
        value: what they are expected to add.
        low: lower end of its interval, NaN where what the last ones brought has none.
        high: upper end.
        least: what they must add to be worth their price.
        stop: when to stop; None where the curve cannot be followed.
        family: the fitted family, "" where the curve cannot be followed.
        reason: why it cannot, a sentence; "" where it is.
    """

    labels: int
    value: float
    low: float
    high: float
    least: float
    stop: Stop | None = None
    family: str = ""
    reason: str = ""

    @property
    def verdict(self) -> Verdict:
        """Return what to do.

        Stop where even the upper end is too little, go on where the lower end is above zero and enough is expected;
        without an interval neither.
        """
        if self.high < self.least:
            return "stop"
        return "go on" if self.low > 0 and self.value >= self.least else "not sure"


def outlook(curve: LearningCurve, last: Brought, labels: int, least: float) -> Outlook:
    """Return what further labels are expected to bring.

    Args:
        curve: the learning curve so far, without errors where its points are of the same images.
        last: what the last so many labels have brought: where no curve can be followed, the next ones are taken to
            bring as much, as far as 1, the best value, leaves room. An interval is never narrower than its own.
        labels: how many are looked ahead to, as many as ``last`` is of, at least one.
        least: what they must add to be worth their price, in units of the metric.
    """
    columns = (curve.labelled, curve.mean, curve.error)
    followed, now = _followed(*(tuple(column.tolist()) for column in columns)), float(curve.labelled[-1])
    if refusal := followed.refusal or _too_far(curve, labels):
        room = 1 - float(curve.mean[-1])  # the interval stays: the level is as uncertain as the gain
        return Outlook(labels, min(last.value, room), last.low, last.high, least, reason=refusal.reason)
    noise = (last.high - last.low) / 2 / QUANTILE
    starts = np.arange(now, FARTHEST * now - labels + 1)
    value, low, high = followed.gains(starts, labels, 0.0 if math.isnan(noise) else noise)
    if math.isnan(noise):  # the scatter about the fit alone would promise too much
        low = high = np.full(len(starts), np.nan)
    stop = Stop(*(_first_below(starts, each, least) for each in (value, low, high)))
    return Outlook(labels, float(value[0]), float(low[0]), float(high[0]), least, stop, followed.family)


@lru_cache(maxsize=64)
def _followed(labelled: tuple[int, ...], mean: tuple[float, ...], error: tuple[float, ...]) -> Extrapolation:
    """Return the fits to a curve: a labelling page asks again and again, and the curve changes once a batch."""
    return Extrapolation(LearningCurve(np.array(labelled), np.array(mean), np.array(error)))


def _too_far(curve: LearningCurve, labels: int) -> Refusal | None:
    now = int(curve.labelled[-1])
    if now + labels <= FARTHEST * now:
        return None
    return Refusal(f"{labels} labels more are over {FARTHEST:g} times the {now}, and no curve is followed so far.")


def _first_below(labelled: FloatArray, gains: FloatArray, least: float) -> float:
    if np.isnan(gains).any():
        return math.nan
    below = gains < least
    return float(labelled[np.argmax(below)]) if below.any() else math.inf
