"""From logits to what a model takes images for, in names: kept of queried images, and shown to people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from coilal.active.labels import Prediction
from coilal.common.types import Kind

DIGITS = 4
"""Of a confidence that is kept: what a person can read, and short in tables of many runs."""


def probabilities(logits: NDArray[np.floating[Any]], kind: Kind) -> NDArray[np.floating[Any]]:
    """Return the probabilities (n, C) of classes, or of each label, that logits (n, C) amount to."""
    found: NDArray[np.floating[Any]] = softmax(logits, axis=1) if kind == "multiclass" else expit(logits)
    return found


def prediction(probabilities: NDArray[np.floating[Any]], names: Sequence[str], kind: Kind) -> Prediction:
    """Return what probabilities (C,) of classes or labels amount to; ``names`` are theirs."""
    if kind == "multiclass":
        best = int(probabilities.argmax())
        return Prediction(names[best], float(probabilities[best]))
    label = tuple(name for name, value in zip(names, probabilities.tolist(), strict=True) if value > 0.5)
    return Prediction(label, float(np.maximum(probabilities, 1 - probabilities).min()))


def predictions(logits: NDArray[np.floating[Any]], names: Sequence[str], kind: Kind) -> tuple[Prediction, ...]:
    """Return what a model takes n images for, its confidence rounded to ``DIGITS``.

    Args:
        logits: (n, C), finite.
        names: of the classes or labels (C).
        kind: of the task.
    """
    found = [prediction(row, names, kind) for row in probabilities(logits, kind)]
    return tuple(Prediction(each.label, round(each.confidence, DIGITS)) for each in found)
