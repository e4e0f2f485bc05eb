"""Pairwise penalty matrix.

Ash et al. 2020, Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds, ICLR, section 4.
The t-tests are scipy's; no library has the matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from coilal.common.types import FloatArray
from coilal.evidence.paired import paired_t
from coilal.evidence.units import MIN_SPLITS

ALPHA = 0.05


def penalty_matrix(
    strategies: Sequence[str], differences: Callable[[str, str], FloatArray], overlap: float = 0.0
) -> pd.DataFrame:
    """Return P with P[i, j] the share of checkpoints at which strategy i beats strategy j.

    The row wins, the column loses: i beats j where a paired two-sided t-test over seeds, or the corrected one
    over splits, gives p < .05 and i has the higher mean. As defined there is no correction for the number of
    tests. The starting set is no checkpoint: it is the same for all strategies.

    Args:
        strategies: names (K).
        differences: (i, j) → metric of i − metric of j of the seeds or splits they share, in each cycle (U, T).
        overlap: of the splits, see ``paired_t``.

    Returns:
        K × K, rows and columns named after the strategies, NaN where two strategies share fewer than two
        seeds or three splits. Lower column means are better.
    """
    shares = np.zeros((len(strategies), len(strategies)))
    for (i, one), (j, other) in combinations(enumerate(strategies), 2):
        shares[i, j], shares[j, i] = _shares_won(differences(one, other), overlap)
    return pd.DataFrame(shares, index=list(strategies), columns=list(strategies))


def column_means(matrix: pd.DataFrame) -> pd.Series:
    """Return the mean penalty of each strategy over its K − 1 rivals; lower is better."""
    rivals = matrix.mask(np.eye(len(matrix), dtype=bool))
    return rivals.mean(axis=0)


def _shares_won(differences: FloatArray, overlap: float) -> tuple[float, float]:
    """Return the shares of the checkpoints at which the first strategy beats the second, and is beaten by it."""
    after_start = differences[:, 1:]
    if len(after_start) < (MIN_SPLITS if overlap else 2) or after_start.shape[1] < 1:
        return float("nan"), float("nan")
    test = paired_t(after_start.T, margin=1.0, confidence=1 - ALPHA, overlap=overlap)
    differ = test.p < ALPHA
    return float((differ & (test.mean > 0)).mean()), float((differ & (test.mean < 0)).mean())
