"""Where probabilities become a decision: thresholds from validation images, and the decision for each image."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from coilal.common.types import BoolArray, FloatArray, IntArray, Kind, joined


@dataclass(frozen=True)
class Classes:
    """What the outputs of a model mean.

    Attributes:
        kind: one class an image, or labels.
        names: by output (C).
        good: number of the fault-free class; None where none is known, and for labels.
    """

    kind: Kind
    names: tuple[str, ...]
    good: int | None

    @property
    def faults(self) -> IntArray:
        """Numbers of the outputs that are faults: all but the fault-free class; () where none is known."""
        if self.kind == "multiclass" and self.good is None:
            return np.empty(0, dtype=np.int64)
        return np.array([number for number in range(len(self.names)) if number != self.good], dtype=np.int64)

    def scores(self, probabilities: FloatArray) -> FloatArray:
        """Return the fault probabilities (n, F) that thresholds are for.

        Classes exclude each other, so that the image is faulty with the sum of the probabilities of all classes but
        the fault-free one (F = 1). Of labels each has its own (F = L).
        """
        if self.kind == "multilabel":
            return probabilities
        faulty: FloatArray = probabilities[:, self.faults].sum(1, keepdims=True)
        return faulty

    def is_good(self, values: IntArray) -> BoolArray:
        """Return which images (n) have no fault, by class index (n) or 0/1 labels (n, L)."""
        good: BoolArray = (values == 0).all(1) if self.kind == "multilabel" else values == self.good
        return good


@dataclass(frozen=True)
class OperatingPoint:
    """From which probability on a fault is taken to be there.

    Attributes:
        thresholds: (F,), see ``Classes.scores``: a fault is there above it. None: the class of the largest
            probability.
        why: how they were found, in a sentence.
        good: good validation images (groups) that they were found on.
        rejected: those of them that are taken for faulty.
        faulty: faulty validation images (groups).
        passed: those of them that are taken for good.
    """

    thresholds: tuple[float, ...] | None
    why: str
    good: int = 0
    rejected: int = 0
    faulty: int = 0
    passed: int = 0


def default_point(classes: Classes, reason: str) -> OperatingPoint:
    """Return the decision that the run itself was scored with.

    Args:
        classes: of the model.
        reason: why there is no better one, a clause.
    """
    if classes.kind == "multilabel":
        return OperatingPoint((0.5,) * len(classes.names), f"a label is there above 0.5: {reason}")
    return OperatingPoint(None, f"the class of the largest probability: {reason}")


def operating_point(
    classes: Classes, probabilities: FloatArray, values: IntArray, overkill: float
) -> OperatingPoint:
    """Return the lowest thresholds with which at most a share of the good images is taken for faulty.

    Each label takes as many good images for faulty as the others, as far as they have no equal probabilities: of
    the thresholds of equal rank among the good images the lowest with which all of them together keep the share.

    Args:
        classes: of the model; which of them is fault-free must be known.
        probabilities: of validation images (n, C).
        values: their class indices (n,) or 0/1 labels (n, L).
        overkill: the share, in percent.
    """
    is_good = classes.is_good(values)
    if not is_good.any():
        return default_point(classes, "no validation image is fault-free")
    return point_of(classes.scores(probabilities), is_good, overkill, "images")


def point_of(scores: FloatArray, is_good: BoolArray, overkill: float, what: str) -> OperatingPoint:
    """Return the operating point of images, or of groups.

    Args:
        scores: fault scores of validation images or groups (n, F).
        is_good: which of them have no fault (n), at least one.
        overkill: share of these that may be taken for faulty, in percent.
        what: images or groups.
    """
    thresholds = lowest_thresholds(scores[is_good], overkill)
    flagged = np.logical_or.reduce(scores > thresholds, axis=1)
    good, rejected, passed = (int(found.sum()) for found in (is_good, flagged & is_good, ~flagged & ~is_good))
    why = f"at most {overkill:g} % of the good validation {what} are taken for faulty"
    if not _allowed(good, overkill):
        why += f", which are {good}, so that none of them may be"
    return OperatingPoint(tuple(thresholds.tolist()), why, good, rejected, len(scores) - good, passed)


def lowest_thresholds(good: FloatArray, overkill: float) -> FloatArray:
    """Return the thresholds (F) of ``operating_point``, above which a fault is there.

    Args:
        good: fault scores of good images, or good groups (n, F), at least one.
        overkill: share of them that may be taken for faulty, in percent.
    """
    allowed = _allowed(len(good), overkill)
    ranked = -np.sort(-good, axis=0)  # the largest of each fault first

    def rejected_at(rank: int) -> int:
        return int((good > ranked[rank]).any(1).sum())  # it grows with the rank

    thresholds: FloatArray = ranked[bisect_right(range(len(good)), allowed, key=rejected_at) - 1]
    return thresholds


def _allowed(good: int, overkill: float) -> int:
    """Return how many good images may be taken for faulty."""
    return int(overkill / 100 * good + 1e-9)


@dataclass(frozen=True)
class Decisions:
    """What is decided of images or parts.

    Attributes:
        texts: a class, or labels joined by ``+`` (n).
        scores: the largest fault probability (n); None where no class is known to be fault-free.
        is_faulty: (n); None where no class is known to be fault-free.
        labels: which labels are there (n, L); None for classes.
    """

    texts: tuple[str, ...]
    scores: FloatArray | None
    is_faulty: BoolArray | None
    labels: BoolArray | None = None


def decide(classes: Classes, point: OperatingPoint, probabilities: FloatArray) -> Decisions:
    """Return the decision for each image.

    Args:
        classes: of the model.
        point: where a fault begins.
        probabilities: (n, C).
    """
    if classes.kind == "multilabel":
        return of_labels(classes, probabilities > np.array(point.thresholds), probabilities.max(1))
    chosen = probabilities.argmax(1)
    if classes.good is None:
        return Decisions(tuple(classes.names[number] for number in chosen.tolist()), None, None)
    scores = classes.scores(probabilities)[:, 0]
    is_faulty = chosen != classes.good if point.thresholds is None else scores > point.thresholds[0]
    fault = classes.faults[probabilities[:, classes.faults].argmax(1)]
    chosen = np.where(is_faulty, fault, classes.good)
    return Decisions(tuple(classes.names[number] for number in chosen.tolist()), scores, is_faulty)


def of_labels(classes: Classes, labels: BoolArray, scores: FloatArray) -> Decisions:
    """Return the decisions that labels (n, L) are, with the largest fault probability of each (n)."""
    texts = tuple(joined(classes.names, row) for row in labels.tolist())
    return Decisions(texts, scores, np.logical_or.reduce(labels, axis=1), labels)
