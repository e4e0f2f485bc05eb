"""BADGE: gradients of the last layer that are long and differ, by k-means++ without ever building them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from coilal.active.outputs import PoolOutputs, Selection, declared
from coilal.active.strategies.picking import ROUNDING
from coilal.active.strategies.ranking import ROWS


def badge(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Choose by k-means++ on the gradients of the loss, each image taken to be what the model says.

    Formula: g = (p − e_ŷ) ⊗ h, for labels (p_c − ŷ_c)_c ⊗ h with ŷ_c = 1 where p_c > ½; the first image is drawn
    uniformly, each next one with probability ∝ the squared distance of its g to the nearest one chosen (k-means++,
    Arthur & Vassilvitskii 2007). Direction: none. Source: Ash et al. 2020, Deep Batch Active Learning by Diverse,
    Uncertain Gradient Lower Bounds, algorithm 1. As there, labelled images play no part. g is not built: with
    a = p − e_ŷ, ‖g − g'‖² = ‖a‖²‖h‖² + ‖a'‖²‖h'‖² − 2 (a·a')(h·h'). The score is the distance, of the first image
    the length of its g.
    """
    features = declared(outputs.features, "features")
    errors = prediction_errors(outputs)
    lengths = np.einsum("nc,nc->n", errors, errors) * features.squared_lengths
    rows = np.empty(batch_size, dtype=np.int64)
    scores = np.empty(batch_size)
    rows[0] = generator.integers(len(outputs))
    scores[0] = np.sqrt(lengths[rows[0]])
    nearest = np.full(len(outputs), np.inf, dtype=np.float32)
    for place in range(1, batch_size):
        last = rows[place - 1]
        distances = features.products(features.take(np.array([last])))[:, 0]
        distances *= -2 * (errors @ errors[last])
        both = lengths + lengths[last]
        distances += both
        distances[distances < ROUNDING * both] = 0
        np.minimum(nearest, distances, out=nearest)
        nearest[rows[:place]] = 0
        rows[place] = _draw(nearest, rows[:place], generator)
        scores[place] = np.sqrt(nearest[rows[place]])
    return Selection(outputs.ids[rows], scores)


def prediction_errors(outputs: PoolOutputs) -> NDArray[np.float32]:
    """Return a = p − ŷ of each image, (n, C): the gradient of the loss by the logits, were the model right."""
    logits = declared(outputs.logits, "logits")
    errors = np.empty(logits.shape, dtype=np.float32)
    for first in range(0, len(logits), ROWS):
        here = slice(first, first + ROWS)
        block = logits[here].astype(np.float64)
        if outputs.kind == "multiclass":
            error = softmax(block, axis=1)
            predicted = np.arange(len(block)), block.argmax(axis=1)
            error[predicted] = 0
            error[predicted] = -error.sum(axis=1)  # p − 1, also where p rounds to 1
        else:
            error = np.where(block > 0, -1, 1) * expit(-np.abs(block))
        errors[here] = error
    return errors


def _draw(weights: NDArray[np.float32], taken: NDArray[np.int64], generator: np.random.Generator) -> int:
    """Draw a place with probability ∝ its weight; uniformly among those not taken where all weights are 0."""
    cumulative = np.cumsum(weights, dtype=np.float64)
    if cumulative[-1] > 0:
        drawn = np.searchsorted(cumulative, generator.random() * cumulative[-1], side="right")
        return int(min(drawn, np.flatnonzero(weights)[-1]))  # the product may round up to the whole sum
    free = np.ones(len(weights), dtype=np.bool_)
    free[taken] = False
    return int(generator.choice(np.flatnonzero(free)))
