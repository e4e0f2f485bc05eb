"""Where probabilities become a decision: thresholds from validation images, and the decision for image and part."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
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
        good: good validation images that they were found on.
        rejected: those of them that are taken for faulty.
        faulty: faulty validation images.
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
    scores = classes.scores(probabilities)
    good = scores[is_good]
    if not len(good):
        return default_point(classes, "no validation image is fault-free")
    allowed = int(overkill / 100 * len(good) + 1e-9)
    ranked = -np.sort(-good, axis=0)  # the largest of each fault first

    def rejected_at(rank: int) -> int:
        return int((good > ranked[rank]).any(1).sum())  # it grows with the rank

    thresholds = ranked[bisect_right(range(len(good)), allowed, key=rejected_at) - 1]
    flagged = (scores > thresholds).any(1)
    rejected, passed = int(flagged[is_good].sum()), int((~flagged[~is_good]).sum())
    why = f"at most {overkill:g} % of the good validation images are taken for faulty"
    if not allowed:
        why += f", which are {len(good)}, so that none of them may be"
    counts = (len(good), rejected, len(scores) - len(good), passed)
    return OperatingPoint(tuple(thresholds.tolist()), why, *counts)


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
        return _of_labels(classes, probabilities > np.array(point.thresholds), probabilities.max(1))
    chosen = probabilities.argmax(1)
    if classes.good is None:
        return Decisions(tuple(classes.names[number] for number in chosen.tolist()), None, None)
    scores = classes.scores(probabilities)[:, 0]
    is_faulty = chosen != classes.good if point.thresholds is None else scores > point.thresholds[0]
    fault = classes.faults[probabilities[:, classes.faults].argmax(1)]
    chosen = np.where(is_faulty, fault, classes.good)
    return Decisions(tuple(classes.names[number] for number in chosen.tolist()), scores, is_faulty)


@dataclass(frozen=True)
class Parts:
    """What is decided of parts (coils), of which there are several images (views).

    Attributes:
        groups: their names, sorted (G).
        views: number of images of each (G).
        faulty_views: of these, such as are taken for faulty (G); None where no class is known to be fault-free.
        probabilities: of each class or label the largest over the views (G, C).
        decisions: see there.
    """

    groups: tuple[str, ...]
    views: IntArray
    faulty_views: IntArray | None
    probabilities: FloatArray
    decisions: Decisions


def decide_parts(classes: Classes, groups: Sequence[str], probabilities: FloatArray, decided: Decisions) -> Parts:
    """Return the decision for each part: it is faulty if any of its views is.

    Its fault probability is the largest over the views. It has all labels that a view has; of classes it has that
    of the view with the largest fault probability, among those that are taken for faulty if there are some. Where
    no class is known to be fault-free, it has the class of the view that is surest.

    Args:
        classes: of the model.
        groups: of the images (n).
        probabilities: (n, C).
        decided: of the images.
    """
    names, part = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    views, largest = np.bincount(part), _largest(probabilities, part)
    flags, scores = decided.is_faulty, decided.scores
    if flags is None or scores is None:
        last = _deciding(probabilities.max(1), np.zeros(len(part), dtype=np.bool_), part)
        texts = tuple(decided.texts[image] for image in last.tolist())
        return Parts(tuple(names.tolist()), views, None, largest, Decisions(texts, None, None))
    faulty_views: IntArray = np.bincount(part, weights=flags).astype(np.int64)
    highest = _largest(scores[:, None], part)[:, 0]
    if decided.labels is not None:
        of_parts = _of_labels(classes, _largest(decided.labels.astype(float), part) > 0, highest)
    else:
        texts = tuple(decided.texts[image] for image in _deciding(scores, flags, part).tolist())
        of_parts = Decisions(texts, highest, faulty_views > 0)
    return Parts(tuple(names.tolist()), views, faulty_views, largest, of_parts)


def _of_labels(classes: Classes, labels: BoolArray, scores: FloatArray) -> Decisions:
    texts = tuple(joined(classes.names, row) for row in labels.tolist())
    return Decisions(texts, scores, np.logical_or.reduce(labels, axis=1), labels)


def _largest(values: FloatArray, part: IntArray) -> FloatArray:
    """Return of each part (G, C) the largest over its images (n, C), of which none is below 0."""
    largest = np.zeros((part.max() + 1, values.shape[1]))
    np.maximum.at(largest, part, values)
    return largest


def _deciding(scores: FloatArray, flags: BoolArray, part: IntArray) -> IntArray:
    """Return the image of each part (G) with the largest score, of those with a flag if there are some."""
    order = np.lexsort((scores, flags, part))  # within a part it comes last
    last: IntArray = order[np.append(np.flatnonzero(np.diff(part[order])), len(order) - 1)]
    return last
