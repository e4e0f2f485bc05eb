"""Entropy sampling, for classes and for labels."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from coilal.active.outputs import PoolOutputs, Selection
from coilal.active.strategies.ranking import score_rows, select_highest
from coilal.common.types import FloatArray


def entropy(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Choose the images whose predicted distribution has the highest entropy, in nats.

    Formula: −Σ p log p over the classes (multiclass); mean over the labels of the binary entropy
    −p log p − (1−p) log(1−p) (multilabel). Direction: highest. Source: Shannon 1948, A Mathematical Theory
    of Communication; as a strategy: Settles 2009, Active Learning Literature Survey, section 3.1.
    """
    score = softmax_entropy if outputs.kind == "multiclass" else mean_binary_entropy
    return select_highest(outputs.ids, score_rows(outputs, score), batch_size, generator)


def softmax_entropy(logits: FloatArray) -> FloatArray:
    """Return the entropy of the softmax of each row, in nats: (n, C) → (n,).

    With z = logit − largest logit and Z = Σ exp z, log p = z − log Z, so the entropy is log Z − Σ p z: a sum
    of terms ≥ 0, exact also where the probabilities are saturated.
    """
    z = np.sort(logits, axis=1)  # the same sum, whatever the order of the classes
    z -= z[:, -1:]
    weights = np.exp(z)
    rest = weights[:, :-1].sum(axis=1)
    return np.asarray(np.log1p(rest) - (weights * z).sum(axis=1) / (1 + rest))


def mean_binary_entropy(logits: FloatArray) -> FloatArray:
    """Return the mean entropy of the sigmoids of each row, in nats: (n, L) → (n,).

    The binary entropy of a logit x is log(1 + exp(−|x|)) + |x| · sigmoid(−|x|), exact where saturated.
    """
    size = np.abs(logits)
    return np.asarray((np.log1p(np.exp(-size)) + size * expit(-size)).mean(axis=1))
