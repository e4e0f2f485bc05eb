"""Labels as people say them, names, and as a model learns them, numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from coilal.common.types import Kind, UserError

Label = str | tuple[str, ...]
"""The name of a class (multiclass), or the names of the labels that an image has, perhaps none (multilabel)."""


@dataclass(frozen=True)
class Prediction:
    """What a model takes an image for.

    Attributes:
        label: a class name, or the names of the labels above one half.
        confidence: probability of the class; of labels, the least sure one's max(p, 1 − p).
    """

    label: Label
    confidence: float


class NoLabel(Enum):
    """An answer without a label."""

    UNSURE = "unsure"
    """She looked and cannot tell: the image is not trained on and not asked for again."""
    SKIP = "skip"
    """Not this one now: the image goes back to the unlabelled ones."""


Answer = Label | NoLabel


def as_labels(values: NDArray[np.int64], names: Sequence[str]) -> list[Label]:
    """Return the label of each image by name.

    Args:
        values: class indices (n,) or 0/1 (n, L).
        names: of the classes or labels, by index.
    """
    if values.ndim == 1:
        return [names[value] for value in values.tolist()]
    return [tuple(names[column] for column in np.flatnonzero(row).tolist()) for row in values]


def as_text(label: Label) -> str:
    """Return the class name, or the names of labels joined by ``+`` (``none`` without labels)."""
    return label if isinstance(label, str) else "+".join(label) or "none"


def as_values(labels: Sequence[Label], names: Sequence[str], kind: Kind) -> NDArray[np.int64]:
    """Return class indices (n,) for a multiclass task, 0/1 (n, L) for a multilabel one.

    Args:
        labels: what was told of n images.
        names: of the classes or labels that the task learns (L), by index.
        kind: of the task.

    Raises:
        UserError: a name that is none of them, or a label of the other kind.
    """
    if other := [label for label in labels if isinstance(label, str) != (kind == "multiclass")]:
        needed = "one class" if kind == "multiclass" else "a list of labels"
        raise UserError(f"a {kind} task needs {needed} of each image, and was told {other[0]!r}")
    place = {name: number for number, name in enumerate(names)}
    told = {name for label in labels for name in ((label,) if isinstance(label, str) else label)}
    if unknown := sorted(told - set(place)):
        raise UserError(
            f"labels were told that the task does not know (now): {', '.join(unknown)}; it knows {', '.join(names)}"
        )
    if kind == "multiclass":
        return np.array([place[label] for label in labels if isinstance(label, str)], dtype=np.int64)
    values = np.zeros((len(labels), len(names)), dtype=np.int64)
    for row, label in zip(values, labels, strict=True):
        row[[place[name] for name in label]] = 1
    return values
