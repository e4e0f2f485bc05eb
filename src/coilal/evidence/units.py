"""What repeats in a study: seeds on one split of the data or, with several splits, the splits, each with its seeds.

With several the unit of inference is the split: seeds of one split share its coils, and only other coils say what
the next ones will do. Splits overlap, so that they tell less than as many independent ones would, and their spread
understates that of the mean. The correction is that of Nadeau and Bengio (2003, Inference for the generalization
error, Machine Learning 52, section 4): the variance of the mean of k splits is S²·(1/k + n_test/n_train), not S²/k.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from coilal.common.types import FloatArray, IntArray

MIN_SPLITS = 3
"""Two splits are not tested: their spread is one difference."""
BOOTSTRAP_SEEDS = 6
"""Fewer seeds get no bootstrap interval: it would cover less than it says (docs/evaluation.md)."""
BOOTSTRAP_SPLITS = 5
"""Fewer splits get none, for the same reason; of folds, which overlap less than is assumed, five cover."""

Kind = Literal["seed", "split"]


class Repeat(NamedTuple):
    """The split and the seed of a run: what its partner in a pair has, too."""

    split: int
    seed: int


@dataclass(frozen=True)
class Units:
    """The repetitions over which a mean is taken, and the runs that each of them has.

    Attributes:
        kind: a seed, which is one run, or a split, whose value is the mean over its seeds.
        of: the unit of each run (R), counted from 0; units ascend.
        overlap: what 1/k is enlarged by, n_test/n_train of splits; 0 for seeds.
    """

    kind: Kind
    of: tuple[int, ...]
    overlap: float

    @classmethod
    def seeds(cls, count: int) -> Units:
        """Return so many seeds of one split."""
        return cls("seed", tuple(range(count)), 0.0)

    @classmethod
    def splits(cls, splits: Iterable[int], overlap: float) -> Units:
        """Return the units of runs by their splits."""
        of = np.unique(list(splits), return_inverse=True)[1]
        return cls("split", tuple(of.tolist()), overlap)

    @property
    def count(self) -> int:
        """The number of units (U)."""
        return max(self.of, default=-1) + 1

    @property
    def runs(self) -> int:
        """The number of runs, or of pairs of runs (R)."""
        return len(self.of)

    @property
    def testable(self) -> bool:
        """Whether there are enough units for a test."""
        return self.count >= (2 if self.kind == "seed" else MIN_SPLITS)

    @property
    def resampled(self) -> bool:
        """Whether there are enough units for a bootstrap interval."""
        return self.count >= (BOOTSTRAP_SEEDS if self.kind == "seed" else BOOTSTRAP_SPLITS)

    def means(self, values: FloatArray) -> FloatArray:
        """Return the value of each unit (U, …), the mean over its runs (R, …); NaN is left out."""
        if self.kind == "seed" or self.count == 0:
            return values
        table = pd.DataFrame(values.reshape(self.runs, -1)).groupby(self._of).mean()
        return table.to_numpy().reshape(self.count, *values.shape[1:])

    def weights(self, resamples: int) -> FloatArray:
        """Return weights of the runs (1 + B, R) that sum to 1: of the mean over units, then of B resamples of it.

        Whole units are resampled. The deviations of the resamples are ``stretched``, so that they spread as far as
        means of overlapping splits do. The same for the same arguments, so that two strategies with common runs are
        resampled in pairs.
        """
        count = self.count
        mean = np.full(count, 1 / count)
        drawn = np.random.default_rng(0).multinomial(count, mean, size=resamples) / count
        of_units = np.vstack([mean, mean + stretch(count, self.overlap) * (drawn - mean)])
        return (of_units / np.bincount(self._of))[:, self._of]

    @cached_property
    def _of(self) -> IntArray:
        return np.array(self.of, dtype=np.int64)


def stretch(count: int, overlap: float) -> float:
    """Return how many times wider an interval of a mean is than that of as many independent units."""
    return math.sqrt(1 + count * overlap)


def stretched(values: FloatArray, overlap: float) -> FloatArray:
    """Return values (…, U) moved away from their mean, so that s²/U is the variance of the mean of such splits."""
    mean = values.mean(axis=-1, keepdims=True)
    return mean + stretch(values.shape[-1], overlap) * (values - mean) if overlap else values
