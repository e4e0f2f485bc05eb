"""How much a model that has not seen an image doubts the label that was told of it.

Confident learning (Northcutt et al. 2021, Journal of Artificial Intelligence Research 70): probabilities come from
models that were not trained on the image. Its confident joint, which says how many labels are wrong, is not here:
on magnetic tiles with 5 % wrong labels it named five times as many (docs/labelling.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coilal.common.types import FloatArray, IntArray

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Doubts:
    """What is to be thought of the labels of n images.

    Attributes:
        told_probability: float64 (n,), out-of-fold probability of what was told; of labels that of the most
            doubtful one. NaN where no model could judge.
        doubt: float64 (n,), 0 … 1: (1 + the largest probability of anything else − that of what was told) / 2, the
            normalised margin (section 3.3, «normalized margin»); NaN where no model could judge.
        suggested: class indices (n,) or 0/1 labels (n, L), what is most probable.
    """

    told_probability: FloatArray
    doubt: FloatArray
    suggested: NDArray[np.int64]

    @property
    def order(self) -> IntArray:
        """Return the places of the images that could be judged, the most doubtful first."""
        order = np.argsort(-self.doubt, kind="stable")
        judged: IntArray = order[np.isfinite(self.doubt[order])]
        return judged


def folds(groups: Sequence[str], number: int, seed: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield the places that are trained on and those that are held out; no group stands on both sides.

    Args:
        groups: of the images (n), two or more different ones.
        number: folds; where there are fewer groups, as many as there are.
        seed: of the division.
    """
    from sklearn.model_selection import GroupKFold  # half a second

    number = min(number, len(set(groups)))
    yield from GroupKFold(number, shuffle=True, random_state=seed).split(groups, groups=groups)


def can_judge(trained_on: NDArray[np.int64], told: NDArray[np.int64]) -> Flags:
    """Return whether a model has seen what images were told as, bool (n,) or (n, L).

    Args:
        trained_on: class indices (m,) or 0/1 labels (m, L) of the images that it was trained on.
        told: the same of images that it was not.
    """
    if told.ndim == 1:
        return np.isin(told, trained_on)
    seen = np.stack([(trained_on == value).any(axis=0) for value in (0, 1)])
    both: Flags = np.broadcast_to(seen.all(axis=0), told.shape)
    return both


def doubts(probabilities: FloatArray, told: NDArray[np.int64]) -> Doubts:
    """Return what is to be thought of labels.

    Args:
        probabilities: out-of-fold, float64 (n, C) of classes or labels; NaN where no model could judge, of an image
            (all its classes) or of one of its labels.
        told: class indices (n,) or 0/1 labels (n, L).
    """
    if told.ndim == 1:
        return _of_classes(probabilities, told)
    each = [_of_classes(np.stack([1 - p, p], axis=1), t) for p, t in zip(probabilities.T, told.T, strict=True)]
    by_label = np.stack([label.doubt for label in each], axis=1)
    worst = np.argmax(np.nan_to_num(by_label, nan=-1.0), axis=1)
    rows = np.arange(len(told))
    return Doubts(
        np.stack([label.told_probability for label in each], axis=1)[rows, worst],
        by_label[rows, worst],
        np.stack([label.suggested for label in each], axis=1),
    )


def _of_classes(probabilities: FloatArray, told: NDArray[np.int64]) -> Doubts:
    rows = np.arange(len(told))
    judged: Flags = np.isfinite(probabilities.sum(axis=1))
    own = np.where(judged, probabilities[rows, told], np.nan)
    others = np.where(judged[:, None], probabilities, -np.inf)
    best = np.where(judged, others.argmax(axis=1), told)
    others[rows, told] = -np.inf
    largest = np.where(judged, others.max(axis=1), np.nan)
    return Doubts(own, (1 + largest - own) / 2, best)
