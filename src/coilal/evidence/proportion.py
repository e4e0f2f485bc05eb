"""Intervals of a share: exact for independent cases, and for cases that come in groups."""

from __future__ import annotations

import math

from scipy.stats import beta, t


def exact(count: float, of: float, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of a share by Clopper and Pearson (1934), which is exact for independent cases.

    Args:
        count: cases that it is the share of; a mean over runs need not be whole.
        of: all cases, above 0.
        level: of confidence.
    """
    outside = (1 - level) / 2
    low = float(beta.ppf(outside, count, of - count + 1)) if count > 0 else 0.0
    high = float(beta.ppf(1 - outside, count + 1, of - count)) if count < of else 1.0
    return low, high


def clustered(count: float, of: float, effective: float, groups: float, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of a share of cases that come in groups (Korn & Graubard 1998, Survey Methodology 24).

    Clopper and Pearson's, with the effective number of cases in place of their number, made smaller for the degrees
    of freedom that so few groups leave to find it with; not so where it is none or all of the cases, of which no
    design effect is found. NaN where all cases are of one group: nothing is known of others then.

    Args:
        count: cases that it is the share of.
        of: all cases, above 0.
        effective: their number over the design effect; see ``inspection.line.effective_size``.
        groups: that the cases come from.
        level: of confidence.
    """
    if groups >= of:
        return exact(count, of, level)
    if groups < 2:
        return math.nan, math.nan
    if count in (0, of):
        return exact(count / of * effective, effective, level)
    tail = (1 + level) / 2
    size = min(of, effective * float(t.ppf(tail, of - 1) / t.ppf(tail, groups - 1)) ** 2)
    return exact(count / of * size, size, level)
