"""How far probabilities can be believed: reliability, expected calibration error, and the temperature.

Guo et al. (2017), On Calibration of Modern Neural Networks, sections 2 (bins, ECE) and 4.2 (temperature scaling).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coilal.common.types import BoolArray, FloatArray, IntArray, Kind

BINS = 15
"""Bins of equal width, as in Guo et al.; the first holds 0, each its upper edge."""

COLDEST, HOTTEST = 0.05, 20.0
"""Ends of the temperatures: validation images that are all told right would have the model ever surer."""


@dataclass(frozen=True)
class Reliability:
    """What probabilities say and what is true, in bins of equal width.

    Attributes:
        count: cases in each bin (B).
        confidence: their mean probability (B), NaN in an empty bin.
        accuracy: the share of them that is true (B), NaN in an empty bin.
    """

    count: IntArray
    confidence: FloatArray
    accuracy: FloatArray

    @property
    def error(self) -> float:
        """The expected calibration error: mean of |accuracy − confidence|, bins weighted by their cases."""
        there = self.count > 0
        gaps = np.abs(self.accuracy - self.confidence)[there]
        return float(np.average(gaps, weights=self.count[there])) if there.any() else math.nan


def reliability(confidence: FloatArray, true: BoolArray, bins: int = BINS) -> Reliability:
    """Return the reliability of predictions.

    Args:
        confidence: probability of each (n).
        true: whether it came true (n).
        bins: their number.
    """
    edges = np.arange(bins + 1) / bins
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        sums = (np.bincount(place, weights=each, minlength=bins) for each in (confidence, true))
        mean, share = (each / count for each in sums)
    return Reliability(count, mean, share)


def pooled(several: Sequence[Reliability]) -> Reliability:
    """Return the reliability of all cases of several, which have the same bins; at least one."""
    count = np.sum([each.count for each in several], axis=0)
    with np.errstate(invalid="ignore"):
        confidence, accuracy = (
            np.nansum([getattr(each, name) * each.count for each in several], axis=0) / count
            for name in ("confidence", "accuracy")
        )
    return Reliability(count, confidence, accuracy)


def reliabilities(kind: Kind, probabilities: FloatArray, values: IntArray) -> list[Reliability]:
    """Return the reliability of the chosen class, or that of each label's probability.

    Args:
        kind: multiclass or multilabel.
        probabilities: (n, C).
        values: class indices (n), or 0/1 labels (n, L).
    """
    if kind == "multiclass":
        return [reliability(probabilities.max(1), probabilities.argmax(1) == values)]
    return [reliability(each, there == 1) for each, there in zip(probabilities.T, values.T, strict=True)]


def expected_calibration_error(kind: Kind, probabilities: FloatArray, values: IntArray) -> float:
    """Return the ECE of the chosen class; of labels the mean over those of each label's probability."""
    return float(np.mean([each.error for each in reliabilities(kind, probabilities, values)]))


def temperature(kind: Kind, logits: FloatArray, values: IntArray) -> float:
    """Return by what logits must be divided to have the smallest negative log-likelihood; NaN without images.

    That is convex in 1/T, so that Newton's method, kept between the ends of what is allowed, finds it.

    Args:
        kind: multiclass (one T for the softmax) or multilabel (one T for all sigmoids).
        logits: of validation images (n, C).
        values: class indices (n), or 0/1 labels (n, L).
    """
    if not len(logits):
        return math.nan
    if kind == "multilabel":  # a sigmoid is the softmax of 0 and its logit
        logits = np.stack([np.zeros(logits.size), logits.ravel()], axis=1)
    values = values.ravel()
    told = logits[np.arange(len(logits)), values]

    def derivatives(factor: float) -> tuple[float, float]:
        shares = np.exp(factor * (logits - logits.max(1, keepdims=True)))
        shares /= shares.sum(1, keepdims=True)
        mean = (shares * logits).sum(1)
        return float((mean - told).mean()), float(((shares * logits**2).sum(1) - mean**2).mean())

    low, high = 1 / HOTTEST, 1 / COLDEST
    if derivatives(low)[0] >= 0:
        return HOTTEST
    if derivatives(high)[0] <= 0:
        return COLDEST
    factor, before = 1.0, math.inf
    while abs(factor - before) > 1e-9 * factor:
        slope, curvature = derivatives(factor)
        low, high = (factor, high) if slope < 0 else (low, factor)
        step = factor - slope / curvature if curvature > 0 else low
        before, factor = factor, step if low < step < high else (low + high) / 2
    return 1 / factor


def probabilities_of(kind: Kind, logits: FloatArray) -> FloatArray:
    """Return the probabilities (n, C) of classes (softmax), or of each label (sigmoid), that logits (n, C) give."""
    if kind == "multilabel":
        return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)))  # the sigmoid, which overflows nowhere
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(shares / shares.sum(1, keepdims=True))


def scaled(kind: Kind, probabilities: FloatArray, heat: float) -> FloatArray:
    """Return probabilities (n, C) as their logits divided by a temperature give them."""
    with np.errstate(divide="ignore"):
        logits = np.log(probabilities)
        if kind == "multilabel":
            logits = logits - np.log1p(-probabilities)
    return probabilities_of(kind, logits / heat)
