"""Labels saved against the baseline at a target, with censoring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coilal.common.types import FloatArray, IntArray
from coilal.evidence.crossing import first_crossing, interval
from coilal.evidence.report_settings import ReportSettings
from coilal.evidence.units import Units


@dataclass(frozen=True)
class Saving:
    """Labels that a strategy and the baseline need for a target; infinite means more than ``most``.

    Attributes:
        target: value of the metric.
        labels: labels of the strategy.
        labels_low: lower end of the interval.
        labels_high: upper end.
        baseline_labels: labels of the baseline.
        baseline_low: lower end of the interval.
        baseline_high: upper end.
        saving: 1 − labels / baseline_labels. Where the baseline is censored it is a lower bound, where the
            strategy is censored an upper bound; where both are, nothing is known and it is 1.
        low: lower end of the interval of the saving.
        high: upper end.
        most: largest labelled count N.
        least: size of the starting set; a target reached there needs that many or fewer.
        pairs: number of pairs of runs.
    """

    target: float
    labels: float
    labels_low: float
    labels_high: float
    baseline_labels: float
    baseline_low: float
    baseline_high: float
    saving: float
    low: float
    high: float
    most: int
    least: int
    pairs: int

    @property
    def bound(self) -> str:
        """Return what the saving is: ``exact``, ``at least``, ``at most`` or ``unknown``."""
        if np.isinf(self.labels) and np.isinf(self.baseline_labels):
            return "unknown"
        if np.isinf(self.labels):
            return "at most"
        return "at least" if np.isinf(self.baseline_labels) else "exact"


def targets_for(baseline: FloatArray, settings: ReportSettings) -> tuple[float, ...]:
    """Return the targets: those of the settings, else shares of the rise of the baseline's mean curve.

    Args:
        baseline: curves of the baseline, of each seed or split (U, T).
        settings: ``targets`` and ``target_shares``.
    """
    if settings.targets:
        return settings.targets
    mean = baseline.mean(axis=0)
    first, best = float(mean[0]), float(mean.max())
    return (
        tuple(round(first + share * (best - first), 3) for share in settings.target_shares) if best > first else ()
    )


def label_saving(
    labelled: IntArray,
    strategy: FloatArray,
    baseline: FloatArray,
    target: float,
    units: Units,
    settings: ReportSettings,
) -> Saving:
    """Return the saving at one target.

    Args:
        labelled: labelled counts (T).
        strategy: curves of the strategy (R, T).
        baseline: curves of the baseline, the same splits and seeds in the same order (R, T).
        target: value of the metric to be reached.
        units: the seed or split of each pair, over which is resampled.
        settings: resamples and confidence.
    """
    weights = units.weights(settings.resamples)
    own = first_crossing(labelled, weights @ strategy, target).labels
    other = first_crossing(labelled, weights @ baseline, target).labels
    least, most = _bounds(own, other, float(labelled[-1]))

    def ends(lows: FloatArray, highs: FloatArray) -> tuple[float, float]:
        return interval(lows[1:], highs[1:], units, settings.confidence)

    labels, base, saving = ends(own, own), ends(other, other), ends(least, most)
    return Saving(
        target=target,
        labels=float(own[0]),
        labels_low=labels[0],
        labels_high=labels[1],
        baseline_labels=float(other[0]),
        baseline_low=base[0],
        baseline_high=base[1],
        saving=float(most[0] if np.isinf(own[0]) else least[0]),
        low=saving[0],
        high=saving[1],
        most=int(labelled[-1]),
        least=int(labelled[0]),
        pairs=units.runs,
    )


def _bounds(own: FloatArray, other: FloatArray, most: float) -> tuple[FloatArray, FloatArray]:
    """Return the least and the most that 1 − own / other can be, given that infinite means above ``most``."""
    least = np.where(np.isinf(own), -np.inf, 1 - np.minimum(own, most) / np.minimum(other, most))
    highest = np.where(np.isinf(other), 1.0, 1 - np.minimum(own, most) / np.minimum(other, most))
    return least, highest
