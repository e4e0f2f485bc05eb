"""Ranking shared by the strategies: scores row by row, the best of them, ties broken at random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from coilal.active.outputs import Logits, PoolOutputs, Selection, declared
from coilal.common.types import FloatArray, IntArray

ROWS = 1 << 13
"""Rows scored at once, so that the float64 copies stay in the processor's cache."""


def score_rows(outputs: PoolOutputs, score: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Return the score of each image of the pool, float64 (n,); see ``score_logits``."""
    return score_logits(declared(outputs.logits, "logits"), score)


def score_logits(logits: Logits, score: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Return a score of each image, float64 (n,).

    Args:
        logits: (n, C) of any float type.
        score: from logits in float64 (m, C) to scores (m,), row by row.
    """
    scores = np.empty(len(logits))
    for start in range(0, len(logits), ROWS):
        rows = slice(start, start + ROWS)
        scores[rows] = score(logits[rows].astype(np.float64))
    return scores


def select_highest(ids: IntArray, scores: FloatArray, batch_size: int, generator: np.random.Generator) -> Selection:
    """Return the images with the highest scores, best first; equal scores in random order.

    Args:
        ids: int64 (n,), dataset-global.
        scores: float64 (n,), without NaN.
        batch_size: 1 … n.
        generator: draws among equal scores.
    """
    # Partition finds only the score of the last place: which of several equal elements it puts first
    # depends on the processor, and everything above or equal is then ordered by the generator.
    last = np.partition(scores, -batch_size)[-batch_size]
    rows = generator.permutation(np.flatnonzero(scores >= last))
    rows = rows[np.argsort(-scores[rows], kind="stable")[:batch_size]]
    return Selection(ids[rows], scores[rows])


def select_lowest(ids: IntArray, scores: FloatArray, batch_size: int, generator: np.random.Generator) -> Selection:
    """Return the images with the lowest scores, lowest first; otherwise as ``select_highest``."""
    selection = select_highest(ids, -scores, batch_size, generator)
    return replace(selection, scores=-selection.scores)
