"""BALD: images on which passes with dropout disagree."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_softmax

from coilal.active.outputs import PoolOutputs, Selection, declared
from coilal.active.strategies.ranking import ROWS, select_highest
from coilal.common.types import FloatArray, Kind


def bald(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Choose the images whose prediction tells most about the weights: passes that are sure, and disagree.

    Formula: H(mean_t p_t) − mean_t H(p_t) over passes t with dropout, in nats; for labels the sum of that of each.
    Direction: highest. Source: Houlsby et al. 2011, Bayesian Active Learning for Classification and Preference
    Learning; with dropout: Gal, Islam & Ghahramani 2017, Deep Bayesian Active Learning with Image Data.
    """
    return select_highest(outputs.ids, mutual_information(outputs), batch_size, generator)


def mutual_information(outputs: PoolOutputs) -> FloatArray:
    """Return the mutual information of prediction and weights of each image, (n,), in nats."""
    passes = declared(outputs.passes, "passes")
    found = np.empty(passes.shape[1])
    for first in range(0, len(found), ROWS):
        here = slice(first, first + ROWS)
        found[here] = _information(passes[:, here].astype(np.float64), outputs.kind)
    return np.maximum(found, 0)  # of passes that agree, rounding may leave less


def _information(logits: FloatArray, kind: Kind) -> FloatArray:
    """Return that of the logits (T, n, C) of some images, (n,)."""
    if kind == "multilabel":  # each label is a choice of two
        parts = np.stack([expit(logits), expit(-logits)])
    else:
        parts = np.exp(np.moveaxis(log_softmax(logits, axis=2), 2, 0))[..., None]
    information: FloatArray = (_entropy(parts.mean(axis=1)) - _entropy(parts).mean(axis=0)).sum(axis=-1)
    return information


def _entropy(parts: FloatArray) -> FloatArray:
    """Return −Σ p log p over the first axis."""
    logs = np.log(parts, out=np.zeros_like(parts), where=parts > 0)
    entropy: FloatArray = -(parts * logs).sum(axis=0)
    return entropy
