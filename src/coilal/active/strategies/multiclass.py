"""Uncertainty sampling over softmax probabilities, p₁ ≥ p₂ ≥ ….

Both strategies rank by what is missing to certainty, summed from the small probabilities, because 1 − p₁
and p₁ − p₂ round to 0 and 1 where the model is sure.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coilal.active.outputs import PoolOutputs, Selection
from coilal.active.strategies.ranking import score_rows, select_highest
from coilal.common.types import FloatArray


def margin(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Choose the images whose two likeliest classes are closest.

    Formula: p₁ − p₂. Direction: lowest. Source: Scheffer, Decomain & Wrobel 2001, Active Hidden Markov
    Models for Information Extraction.
    """
    complement = score_rows(outputs, one_minus_margin)
    selection = select_highest(outputs.ids, complement, batch_size, generator)
    return replace(selection, scores=1 - selection.scores)


def uncertainty(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Choose the images whose likeliest class is least sure (least confidence).

    Formula: 1 − p₁. Direction: highest. Source: Lewis & Gale 1994, A Sequential Algorithm for Training Text
    Classifiers.
    """
    return select_highest(outputs.ids, score_rows(outputs, least_confidence), batch_size, generator)


def one_minus_margin(logits: FloatArray) -> FloatArray:
    """Return 1 − (p₁ − p₂) of each row, exact also where p₁ rounds to 1: (n, C) → (n,)."""
    weights = _relative_probabilities(logits)
    rest = weights[:, :-1].sum(axis=1)
    return np.asarray((rest + weights[:, -2]) / (1 + rest))


def least_confidence(logits: FloatArray) -> FloatArray:
    """Return 1 − p₁ of each row, exact also where p₁ rounds to 1: (n, C) → (n,)."""
    rest = _relative_probabilities(logits)[:, :-1].sum(axis=1)
    return np.asarray(rest / (1 + rest))


def _relative_probabilities(logits: FloatArray) -> FloatArray:
    """Return p / p₁ of each row in ascending order, (n, C) → (n, C); the last column is 1."""
    ascending = np.sort(logits, axis=1)
    ascending -= ascending[:, -1:]
    return np.exp(ascending, out=ascending)
