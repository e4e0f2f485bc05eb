"""How many labels a target needs: a fitted learning curve, extrapolated with an interval, or the reason why not.

Families of curves as in Viering & Loog 2022, The Shape of Learning Curves, table 1. What a family is worth is found
on the curve itself: it is fitted to the first cycles and asked for the later ones, from several origins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import least_squares

from coilal.common.types import FloatArray, IntArray
from coilal.evidence.units import stretch

LEAST_CYCLES = 6
"""Cycles without which there is nothing to hold out."""
LEAST_FITTED = 4
MOST_ORIGINS = 8
"""Of long curves, as those of labelling sessions: more take time and say the same."""
FARTHEST = 2.0
"""Times the labelled images, beyond which no curve is followed."""
COUNTED_ON = 1.5
"""Times the labelled images, beyond which no gain is counted on: curves flatten there, see docs/evaluation.md."""
QUANTILE = 2.0
"""Half of an interval, in standard errors of a prediction; see docs/evaluation.md for what such intervals cover."""
CONTENDERS = 1.5
"""Families whose errors are up to so many times that of the best are as good: they disagree within the interval."""
TRUSTED = 0.05
"""Most error of a prediction of the later cycles by the earlier ones that is trusted, in units of the metric."""
_STEPS = 400


@dataclass(frozen=True)
class Family:
    """A family of curves of a metric that is 1 at most.

    Attributes:
        formula: as Viering & Loog write it, with u = n / the largest labelled count.
        value: (u, *parameters) → metric.
        low: least values of the parameters.
        high: largest ones.
        start: where the fit starts.
    """

    formula: str
    value: Callable[..., FloatArray]
    low: Sequence[float]
    high: Sequence[float]
    start: Sequence[float]


FAMILIES: Mapping[str, Family] = {
    "pow3": Family("a − b u^−c", lambda u, a, b, c: a - b * u**-c, (0, 0, 0.01), (1, 10, 5), (0.9, 0.1, 0.7)),
    "exp3": Family(
        "a − b e^(−c u)", lambda u, a, b, c: a - b * np.exp(-c * u), (0, 0, 0.1), (1, 10, 50), (0.9, 0.5, 3)
    ),
    "log2": Family("a + b ln u", lambda u, a, b: a + b * np.log(u), (0, 0), (1, 1), (0.8, 0.1)),
    "wbl4": Family(
        "a − b e^(−c u^d)",
        lambda u, a, b, c, d: a - b * np.exp(-c * u**d),
        (0, 0, 0.01, 0.2),
        (1, 10, 50, 3),
        (0.9, 0.6, 3, 0.8),
    ),
}


@dataclass(frozen=True)
class Refusal:
    """Why no number of labels is given, as a sentence."""

    reason: str


@dataclass(frozen=True)
class Need:
    """Labels that a target needs.

    Attributes:
        labels: where the fitted curve reaches it.
        low: where the upper end of its interval does.
        high: where the lower end does; infinite: not within ``COUNTED_ON`` times the labels there are.
        family: name of the fitted family.
    """

    labels: float
    low: float
    high: float
    family: str


@dataclass(frozen=True)
class LearningCurve:
    """The mean learning curve of a strategy.

    Attributes:
        labelled: labelled images after each cycle, ascending (T).
        mean: mean metric (T), 1 at most.
        error: standard error of each mean (T); 0 where it is not known.
    """

    labelled: IntArray
    mean: FloatArray
    error: FloatArray

    @classmethod
    def of(cls, labelled: IntArray, curves: FloatArray, overlap: float = 0.0) -> LearningCurve:
        """Return the mean of curves (S, T) at labelled counts (T), of splits that overlap so far; see ``units``."""
        many, count = len(curves) > 1, len(curves)
        spread = curves.std(axis=0, ddof=1) / np.sqrt(count) if many else np.zeros(len(labelled))
        error = spread * stretch(count, overlap)
        return cls(labelled, curves.mean(axis=0), error)

    def first(self, cycles: int) -> LearningCurve:
        """Return the first cycles of the curve."""
        return LearningCurve(self.labelled[:cycles], self.mean[:cycles], self.error[:cycles])


@dataclass(frozen=True)
class Extrapolation:
    """A curve, and the families that were fitted to it.

    Attributes:
        curve: what they were fitted to; of fewer cycles than ``LEAST_CYCLES`` there is a ``refusal``, nothing else.
    """

    curve: LearningCurve

    @cached_property
    def refusal(self) -> Refusal | None:
        """Why the fit is not to be trusted, None where it is."""
        if len(self.curve.labelled) < LEAST_CYCLES:
            return Refusal(
                f"{len(self.curve.labelled)} cycles are too few to fit a curve and hold some out: "
                f"{LEAST_CYCLES} at least."
            )
        if (error := self.errors[self.family]) > TRUSTED:
            return Refusal(
                "The earlier cycles do not tell the later ones: the best fitted curve is wrong by "
                f"{error:.3f} there."
            )
        return None

    @cached_property
    def held_out(self) -> Mapping[str, FloatArray]:
        """What each family, fitted to the first cycles, is wrong by in the later ones, from several origins (E)."""
        curve, found = self.curve, {}
        for name in FAMILIES:
            parts = [
                fitted(name, curve.first(origin))(curve.labelled[origin:]) - curve.mean[origin:]
                for origin in _origins(curve)
            ]
            found[name] = np.concatenate(parts)
        return found

    @cached_property
    def errors(self) -> Mapping[str, float]:
        """The root mean square of what each family is wrong by."""
        return {name: float(np.sqrt(np.mean(wrong**2))) for name, wrong in self.held_out.items()}

    @cached_property
    def family(self) -> str:
        """The name of the family that is wrong by least."""
        return min(self.errors, key=self.errors.__getitem__)

    def predicted(self, labelled: FloatArray | IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the fitted curve at labelled counts (n) and the ends of its interval, each (n), 1 at most.

        The error grows with the logarithm of the distance as it did from the origins in the curve; what families
        that are about as good say otherwise is added. Beyond ``COUNTED_ON`` times the labels the lower end is that
        of the last cycle, or what is less.
        """
        best, low, high = self._followed(labelled)
        now = self.curve.labelled[-1:]
        without_gain = np.where(np.asarray(labelled) > COUNTED_ON * now, self._followed(now)[1], np.inf)
        return best, np.minimum(low, without_gain), high

    def _followed(self, labelled: FloatArray | IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        curve, own = self.curve, self._contenders[self.family]
        best, others = own(labelled), np.stack([curve_of(labelled) for curve_of in self._contenders.values()])
        residual = float(np.sqrt(np.mean((own(curve.labelled) - curve.mean) ** 2)))
        noise = max(residual, float(np.sqrt(np.mean(curve.error**2))))
        distance = np.log(np.maximum(np.asarray(labelled) / curve.labelled[-1], 1.0))
        half = QUANTILE * np.hypot(noise, self._drift * distance)
        return best, others.min(axis=0) - half, np.minimum(others.max(axis=0) + half, 1.0)

    def gains(self, labelled: FloatArray, further: int, noise: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return what further labels add from labelled counts (n) on, and the ends of its interval, each (n).

        The level of a curve, in which its runs differ, cancels out in a difference: what remains is the scatter of
        two points about the fit, or ``noise`` where that is more, and the drift over the distance between them.

        Args:
            labelled: where the labels begin.
            further: how many they are.
            noise: standard error of such a difference, 0 where it is not known.
        """
        curve, ends = self.curve, labelled + further
        each = {name: curve_of(ends) - curve_of(labelled) for name, curve_of in self._contenders.items()}
        squares = np.sum((self._contenders[self.family](curve.labelled) - curve.mean) ** 2)
        scatter = float(np.sqrt(2 * squares / (len(curve.labelled) - len(FAMILIES[self.family].start))))
        half = QUANTILE * np.hypot(max(scatter, noise), self._drift * np.log(ends / labelled))
        others = np.stack(list(each.values()))
        return each[self.family], others.min(axis=0) - half, others.max(axis=0) + half

    @cached_property
    def _contenders(self) -> Mapping[str, Callable[[FloatArray | IntArray], FloatArray]]:
        """Return the families that are about as good as the best one, fitted to the whole curve."""
        most = CONTENDERS * self.errors[self.family]
        return {name: fitted(name, self.curve) for name, error in self.errors.items() if error <= most}

    @cached_property
    def _drift(self) -> float:
        """What the best family is wrong by, for each unit of the logarithm of the distance."""
        labelled = self.curve.labelled
        distances = np.concatenate(
            [np.log(labelled[origin:] / labelled[origin - 1]) for origin in _origins(self.curve)]
        )
        wrong = self.held_out[self.family]
        return float(np.sqrt(np.sum(wrong**2) / np.sum(distances**2)))


def fitted(name: str, curve: LearningCurve) -> Callable[[FloatArray | IntArray], FloatArray]:
    """Return a family fitted to a curve by weighted least squares: labelled counts (n) → metric (n), 1 at most."""
    family, scale = FAMILIES[name], float(curve.labelled[-1])
    usual = float(np.median(curve.error))
    sigma = np.maximum(curve.error, 0.5 * usual) if usual > 0 else 1.0  # no cycle is that much surer than others
    u = curve.labelled / scale

    def wrong(parameters: FloatArray) -> FloatArray:
        return (family.value(u, *parameters) - curve.mean) / sigma

    found = least_squares(wrong, family.start, bounds=(family.low, family.high))
    return lambda labelled: np.minimum(family.value(np.asarray(labelled) / scale, *found.x), 1.0)


def labels_needed(curve: LearningCurve, target: float) -> Need | Refusal:
    """Return the labels that a target needs beyond those there are, or why that cannot be said.

    Args:
        curve: mean learning curve.
        target: value of the metric.
    """
    followed, most = Extrapolation(curve), int(curve.labelled[-1])
    if refusal := _needs_no_fit(curve, target) or followed.refusal:
        return refusal
    labelled = np.geomspace(curve.labelled[-1], FARTHEST * most, _STEPS)
    best, low, high = followed.predicted(labelled)
    if high.max() < target:
        return Refusal(
            f"{target:g} is above what the fitted curve can reach with {FARTHEST:g} times the {most} labels: "
            f"{best[-1]:.3f}, {high.max():.3f} at most."
        )
    if best.max() < target:
        return Refusal(
            f"{target:g} may be reached with {_first(labelled, high, target):.0f} labels, but the fitted curve "
            f"does not with {FARTHEST:g} times the {most} labels, and no curve is followed farther."
        )
    labels, least, largest = (_first(labelled, values, target) for values in (best, high, low))
    return Need(labels, least, largest, followed.family)


def _needs_no_fit(curve: LearningCurve, target: float) -> Refusal | None:
    if curve.mean.max() >= target:
        there = curve.labelled[np.argmax(curve.mean >= target)]
        return Refusal(f"{target:g} is reached already, with {there} labels or fewer.")
    rise = curve.mean[-1] - curve.mean[0]
    if rise <= QUANTILE * float(np.hypot(curve.error[0], curve.error[-1])):
        return Refusal("The curve does not rise by more than its runs differ.")
    return None


def _first(labelled: FloatArray, values: FloatArray, target: float) -> float:
    reached = values >= target
    return float(labelled[np.argmax(reached)]) if reached.any() else float("inf")


def _origins(curve: LearningCurve) -> Iterator[int]:
    """Yield the numbers of cycles that a family is fitted to before it is asked for those after them."""
    cycles = len(curve.labelled)
    origins = np.arange(max(LEAST_FITTED, cycles // 2), cycles)
    if len(origins) > MOST_ORIGINS:
        origins = origins[np.linspace(0, len(origins) - 1, MOST_ORIGINS).round().astype(int)]
    yield from origins.tolist()
