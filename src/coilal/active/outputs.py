"""What a strategy sees, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from coilal.active.features import Features
from coilal.active.labels import Prediction
from coilal.common.types import BoolArray, FloatArray, IntArray, Kind

T = TypeVar("T")

Logits = NDArray[np.floating[Any]]


def declared(value: T | None, need: str) -> T:
    """Return what a strategy looks at of its outputs, which it must have declared.

    Args:
        value: an attribute of ``PoolOutputs``.
        need: what the strategy's yaml must say.

    Raises:
        ValueError: it was not computed, since the strategy has not declared it.
    """
    if value is None:
        raise ValueError(f"a strategy that looks at {need} must declare needs: [{need}]")
    return value


@dataclass(frozen=True)
class HeldOut:
    """Logits for labelled images of heads that were not trained on them; an image may occur several times.

    Attributes:
        logits: float (k, C); k is 0 where too few images are labelled.
        values: their labels as they were told: class indices (k,) or 0/1 (k, L).
    """

    logits: Logits
    values: NDArray[np.int64]


@dataclass(frozen=True)
class PoolOutputs:
    """What a strategy sees: the model's outputs on the unlabelled pool, never a label of it.

    What a strategy does not declare to need is None.

    Attributes:
        kind: multiclass (softmax over the logits) or multilabel (a sigmoid each).
        ids: int64 (n,), dataset-global ids of the unlabelled images.
        logits: float (n, C).
        features: h of the unlabelled images, (n, D).
        labelled: h of the labelled images, (m, D), perhaps of none.
        labelled_logits: theirs, float (m, C).
        held_out: logits for labelled images of heads that were not trained on them.
        passes: float32 (T, n, C), logits of passes with dropout.
        tried: batches of ids, equally large → the validation metric of a model that has learnt their true labels,
            too; for an upper bound, which is no strategy.
        classes: number C of classes or labels.
        cycle: in which the batch enters the labelled images; 0 for the starting set.
        groups: int64 (n,), the group (coil) of each unlabelled image.
        taken: outputs on images that the batch has already, where a strategy is asked for the rest of it.
    """

    kind: Kind
    ids: IntArray
    logits: Logits | None = None
    features: Features | None = None
    labelled: Features | None = None
    labelled_logits: Logits | None = None
    held_out: HeldOut | None = None
    passes: Logits | None = None
    tried: Callable[[Sequence[IntArray]], Sequence[float]] | None = None
    classes: int = 0
    cycle: int = 1
    groups: IntArray | None = None
    taken: PoolOutputs | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def without(self, rows: BoolArray, labelled: bool = False) -> PoolOutputs:
        """Return the outputs on a part of the pool.

        Args:
            rows: bool (n,), those that are left out.
            labelled: whether they count as labelled from now on.
        """
        kept = np.flatnonzero(~rows)
        features, more, logits = self.features, self.labelled, self.labelled_logits
        if labelled and features is not None and more is not None:
            more = more.joined(features.subset(np.flatnonzero(rows)))
        if labelled and self.logits is not None and logits is not None:
            logits = np.concatenate([logits, self.logits[rows]])
        return replace(
            self,
            ids=self.ids[kept],
            logits=None if self.logits is None else self.logits[kept],
            features=None if features is None else features.subset(kept),
            labelled=more,
            labelled_logits=logits,
            passes=None if self.passes is None else self.passes[:, kept],
            groups=None if self.groups is None else self.groups[kept],
        )


@dataclass(frozen=True)
class Selection:
    """A batch of queried images, best first.

    Attributes:
        ids: int64 (b,), dataset-global.
        scores: float64 (b,), the strategy's score of each, NaN where it computes none.
        predictions: what the model takes each for that they were chosen by (b); none where there was no model yet.
            Who runs the cycle adds them, not the strategy.
    """

    ids: IntArray
    scores: FloatArray
    predictions: Sequence[Prediction] = ()


QueryFunction = Callable[[PoolOutputs, int, np.random.Generator], Selection]
