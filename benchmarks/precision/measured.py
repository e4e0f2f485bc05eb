"""What a precision changes: the features, what is asked for, and the learning curve."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.precision.runs import Result

CONFIDENCE = 0.95

Results = Mapping[str, Sequence[Result]]
"""The runs of each strategy, a seed after the other."""


@dataclass(frozen=True)
class Change:
    """How a variant differs from the reference.

    Attributes:
        median_error: of the features, see ``relative_errors``.
        largest_error: of the features.
        first: share of equal images in the first batch that is queried.
        all: share of equal images in all batches together.
        aulc: mean paired difference of the AULC.
        half: half of its confidence interval.
    """

    median_error: float
    largest_error: float
    first: float
    all: float
    aulc: float
    half: float


def change(
    features: NDArray[np.float32], results: Results, reference: NDArray[np.float32], expected: Results
) -> Change:
    """Compare a variant with the reference.

    Args:
        features: standardised (N, D).
        results: of the runs on them.
        reference: standardised features (N, D) of the reference.
        expected: results of the same strategies and seeds on these.
    """
    errors = relative_errors(features, reference)
    pairs = [pair for name, runs in results.items() for pair in zip(runs, expected[name], strict=True)]
    differences: dict[int, list[float]] = {}
    for ours, theirs in pairs:
        differences.setdefault(ours.seed, []).append(ours.aulc - theirs.aulc)
    of_seeds = [statistics.mean(values) for values in differences.values()]
    return Change(
        float(np.median(errors)),
        float(errors.max()),
        statistics.mean(_equal(ours.batches[:1], theirs.batches[:1]) for ours, theirs in pairs),
        statistics.mean(_equal(ours.batches, theirs.batches) for ours, theirs in pairs),
        statistics.mean(of_seeds),
        half_interval(of_seeds),
    )


def relative_errors(features: NDArray[np.float32], reference: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return for each image (N) the norm of the difference of its features, by the norm of the reference."""
    difference = np.linalg.norm(features.astype(float) - reference, axis=1)
    return difference / np.linalg.norm(reference.astype(float), axis=1)


def half_interval(values: Sequence[float]) -> float:
    """Return half of the confidence interval of the mean of n values, by Student's t; NaN for a single one."""
    if len(values) < 2:
        return math.nan
    error = statistics.stdev(values) / math.sqrt(len(values))
    return float(error * stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1))


def _equal(ours: Sequence[NDArray[np.int64]], theirs: Sequence[NDArray[np.int64]]) -> float:
    """Return the share of the images of some batches that are in those of another run, too."""
    one, other = np.concatenate(ours), np.concatenate(theirs)
    return len(np.intersect1d(one, other)) / len(one)
