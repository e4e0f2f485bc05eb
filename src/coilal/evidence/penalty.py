"""Pairwise penalty matrix.

Ash et al. 2020, Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds, ICLR, section 4.
The t-tests are scipy's; no library has the matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from coilal.common.types import FloatArray
from coilal.evidence.paired import paired_t

ALPHA = 0.05


def penalty_matrix(strategies: Sequence[str], differences: Callable[[str, str], FloatArray]) -> pd.DataFrame:
    """Return P with P[i, j] the share of checkpoints at which strategy i beats strategy j.

    The row wins, the column loses: i beats j where a paired two-sided t-test over the seeds gives p < .05 and
    i has the higher mean. As defined there is no correction for the number of tests. The starting set is no
    checkpoint: it is the same for all strategies.

    Args:
        strategies: names (K).
        differences: (i, j) → metric of i − metric of j of the seeds they share, in each cycle (S, T).

    Returns:
        K × K, rows and columns named after the strategies, NaN where two strategies share fewer than two
        seeds. Lower column means are better.
    """
    matrix = pd.DataFrame(np.nan, index=list(strategies), columns=list(strategies))
    for winner in strategies:
        for loser in strategies:
            matrix.loc[winner, loser] = 0.0 if winner == loser else _share_won(differences(winner, loser))
    return matrix


def column_means(matrix: pd.DataFrame) -> pd.Series:
    """Return the mean penalty of each strategy over its K − 1 rivals; lower is better."""
    rivals = matrix.mask(np.eye(len(matrix), dtype=bool))
    return rivals.mean(axis=0)


def _share_won(differences: FloatArray) -> float:
    after_start = differences[:, 1:]
    if len(after_start) < 2 or after_start.shape[1] < 1:
        return float("nan")
    test = paired_t(after_start.T, margin=1.0, confidence=1 - ALPHA)
    return float(((test.p < ALPHA) & (test.mean > 0)).mean())
