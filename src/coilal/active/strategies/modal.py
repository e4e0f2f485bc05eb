"""Strategies as the modAL library defines them, for comparison with studies that used it.

modAL calls them avg_score and max_score and cites Esuli & Sebastiani, but its score is p(ŷ − ½), which falls
as p rises below ½. Its avg_confidence is the mean probability, highest first: the ranking of
``multilabel.avg_score``, so there is no function for it here.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from coilal.active.outputs import PoolOutputs, Selection
from coilal.active.strategies.ranking import score_rows, select_highest
from coilal.common.types import FloatArray


def modal_avg_score(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Choose as ``modAL.multilabel.avg_score`` does.

    Formula: mean_c p_c (ŷ_c − ½) with ŷ_c = 1 where p_c > ½, else 0. Direction: highest. Source: Danka &
    Horvath 2018, modAL: A modular active learning framework for Python, module ``multilabel``.
    """
    scores = score_rows(outputs, lambda logits: _modal_scores(logits).mean(axis=1))
    return select_highest(outputs.ids, scores, batch_size, generator)


def modal_max_score(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Choose as ``modAL.multilabel.max_score`` does.

    Formula: max_c p_c (ŷ_c − ½) with ŷ_c = 1 where p_c > ½, else 0. Direction: highest. Source: Danka &
    Horvath 2018, modAL: A modular active learning framework for Python, module ``multilabel``.
    """
    scores = score_rows(outputs, lambda logits: _modal_scores(logits).max(axis=1))
    return select_highest(outputs.ids, scores, batch_size, generator)


def _modal_scores(logits: FloatArray) -> FloatArray:
    return np.asarray(expit(logits) * ((logits > 0) - 0.5))
