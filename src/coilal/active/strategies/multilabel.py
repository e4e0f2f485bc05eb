"""Evidence × class strategies over independent sigmoids, after Esuli & Sebastiani 2009.

Signed score of a label with logit x: f = 2p − 1 = tanh(x/2). Confidence: κ = |f| = tanh(|x|/2). Where the
score grows with one logit, the logit itself is ranked, and means are ranked by their distance to certainty:
the same order, also where f rounds to ±1.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import expit

from coilal.active.outputs import PoolOutputs, Selection
from coilal.active.strategies.ranking import score_rows, select_highest, select_lowest


def avg_confidence(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Choose the images that are least sure on average over the labels.

    Formula: mean_c κ_c with κ_c = |2p_c − 1|. Direction: lowest. Source: Esuli & Sebastiani 2009, Active
    Learning Strategies for Multi-Label Text Classification (ECIR).
    """
    doubt = score_rows(outputs, lambda logits: 2 * expit(-np.abs(logits)).mean(axis=1))
    selection = select_highest(outputs.ids, doubt, batch_size, generator)
    return replace(selection, scores=1 - selection.scores)


def min_confidence(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Choose the images that are least sure on their worst label.

    Formula: min_c κ_c with κ_c = |2p_c − 1|. Direction: lowest. Source: Esuli & Sebastiani 2009 (ECIR).
    """
    size = score_rows(outputs, lambda logits: np.abs(logits).min(axis=1))
    selection = select_lowest(outputs.ids, size, batch_size, generator)
    return replace(selection, scores=np.tanh(selection.scores / 2))


def max_confidence(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Choose the images that are not sure of any label.

    Formula: max_c κ_c with κ_c = |2p_c − 1|. Direction: lowest. Source: Esuli & Sebastiani 2009 (ECIR).
    """
    size = score_rows(outputs, lambda logits: np.abs(logits).max(axis=1))
    selection = select_lowest(outputs.ids, size, batch_size, generator)
    return replace(selection, scores=np.tanh(selection.scores / 2))


def avg_score(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Choose the images that are most positive on average over the labels (relevance sampling).

    Formula: mean_c f_c with f_c = 2p_c − 1. Direction: highest. Source: Esuli & Sebastiani 2009 (ECIR).
    """
    absence = score_rows(outputs, lambda logits: 2 * expit(-logits).mean(axis=1))
    selection = select_lowest(outputs.ids, absence, batch_size, generator)
    return replace(selection, scores=1 - selection.scores)


def max_score(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Choose the images with the surest single positive label (relevance sampling).

    Formula: max_c f_c with f_c = 2p_c − 1. Direction: highest. Source: Esuli & Sebastiani 2009 (ECIR).
    """
    largest = score_rows(outputs, lambda logits: logits.max(axis=1))
    selection = select_highest(outputs.ids, largest, batch_size, generator)
    return replace(selection, scores=np.tanh(selection.scores / 2))
