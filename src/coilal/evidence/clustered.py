"""Intervals of shares and of paired differences where images of one group (coil) are alike.

An interval that takes images for independent is too narrow by about the root of the design effect
(``inspection.line.design_effect``); docs/evaluation.md has the coverage of these, simulated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from coilal.common.types import BoolArray, IntArray
from coilal.evidence.proportion import clustered
from coilal.inspection.line import design_effect, effective_size

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Gain:
    """How much more of the same images is right after than before.

    Attributes:
        value: difference of the two shares.
        low: lower end of its interval.
        high: upper end.
        before: share that was right before.
        after: share that is right after.
        images: n.
        groups: that they are of.
    """

    value: float
    low: float
    high: float
    before: float
    after: float
    images: int
    groups: int


def share_interval(right: BoolArray, group: IntArray) -> tuple[float, float]:
    """Return the interval of the share of images that are right, by Korn and Graubard.

    See ``proportion.clustered``. Of one group with several images it is 0 to 1.

    Args:
        right: whether each image is right (n).
        group: its group (n).
    """
    number, groups = len(right), len(np.unique(group))
    if groups == 1 < number:
        return 0.0, 1.0
    return clustered(float(right.sum()), number, effective_size(right, group), groups, CONFIDENCE)


def gain(before: BoolArray, after: BoolArray, group: IntArray) -> Gain:
    """Return the paired difference of two shares on the same images, with its interval.

    That of Agresti and Min (2005, Statistics in Medicine 24(5)) for paired proportions: Wald's, after half an image
    is added to each of the four cells, so that it has a width even where no image changed. Its variance is
    multiplied by the design effect of the differences, and t with G − 1 degrees of freedom stands for the normal
    quantile. Of one group with several images it is −1 to 1.

    Args:
        before: whether each image was right before (n).
        after: whether it is after (n).
        group: its group (n).
    """
    difference = after.astype(np.float64) - before
    number, groups = len(difference), len(np.unique(group))
    value = float(difference.mean())
    low, high = -1.0, 1.0
    if groups > 1:
        total, changed = float(difference.sum()), float(np.abs(difference).sum())
        centre = total / (number + 2)
        variance = (changed + 1 - total**2 / (number + 2)) / (number + 2) ** 2
        error = math.sqrt(variance * design_effect(difference - value, group))
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, groups - 1)) * error
        low, high = max(-1.0, centre - half), min(1.0, centre + half)
    return Gain(value, low, high, float(before.mean()), float(after.mean()), number, groups)
