"""What is decided of parts (coils), of which there are several images (views)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coilal.common.types import BoolArray, FloatArray, IntArray
from coilal.inspection.operating_point import Classes, Decisions, OperatingPoint, of_labels, point_of


def faultless(good: BoolArray, groups: IntArray) -> BoolArray:
    """Return which groups (G) have no faulty image.

    Args:
        good: which images have no fault (n).
        groups: number of the group of each (n), from 0 without gaps.
    """
    found: BoolArray = np.bincount(groups, weights=~good) == 0
    return found


@dataclass(frozen=True)
class PartRule:
    """From which score on a part is taken for faulty.

    Attributes:
        point: thresholds on the scores of parts; see ``Classes.scores``.
        top: the score of a part is the mean of its so many largest ones; see ``group_scores``.
    """

    point: OperatingPoint
    top: int


def part_rule(
    classes: Classes, groups: Sequence[str], probabilities: FloatArray, values: IntArray, overkill: float, top: int
) -> PartRule | None:
    """Return the rule that lets at most a share of the good validation parts be taken for faulty.

    None where each image is a part of its own, or no part is good: then a part is what its views are.

    Args:
        classes: of the model; which of them is fault-free must be known.
        groups: of the validation images (n).
        probabilities: of these (n, C).
        values: their class indices (n,) or 0/1 labels (n, L).
        overkill: the share, in percent.
        top: see ``PartRule``.
    """
    names, part = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    good = faultless(classes.is_good(values), part)
    if len(names) == len(groups) or not good.any():
        return None
    return PartRule(point_of(group_scores(classes.scores(probabilities), part, top), good, overkill, "groups"), top)


def group_scores(scores: FloatArray, groups: IntArray, top: int) -> FloatArray:
    """Return of each group and fault (G, F) the mean of the largest scores of its images.

    Args:
        scores: of images (n, F).
        groups: number of the group of each (n), from 0 without gaps.
        top: how many; of a group with fewer images all.
    """
    size = np.bincount(groups)
    first = np.cumsum(size) - size
    found = np.empty((len(size), scores.shape[1]))
    for fault, values in enumerate(scores.T):
        order = np.lexsort((-values, groups))
        ranked, group = values[order], groups[order]
        is_top = np.arange(len(values)) - first[group] < top
        found[:, fault] = np.bincount(group, weights=ranked * is_top) / np.minimum(size, top)
    return found


@dataclass(frozen=True)
class Parts:
    """What is decided of parts.

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


def decide_parts(
    classes: Classes,
    groups: Sequence[str],
    probabilities: FloatArray,
    decided: Decisions,
    rule: PartRule | None = None,
) -> Parts:
    """Return the decision for each part.

    By a rule: a part is faulty if its score is above the threshold, and has the fault of the view with the largest
    one; of labels those whose score is above theirs. Not so where each image is a part of its own.
    Without one: if any of its views is. It has all labels that a view has; of classes that of the view with the
    largest fault probability, among those that are taken for faulty if there are some.
    Where no class is known to be fault-free, it has the class of the view that is surest.

    Args:
        classes: of the model.
        groups: of the images (n).
        probabilities: (n, C).
        decided: of the images.
        rule: see there.
    """
    names, part = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    views, largest = np.bincount(part), _largest(probabilities, part)
    flags, scores = decided.is_faulty, decided.scores
    if flags is None or scores is None:
        last = _deciding(probabilities.max(1), np.zeros(len(part), dtype=np.bool_), part)
        texts = tuple(decided.texts[image] for image in last.tolist())
        return Parts(tuple(names.tolist()), views, None, largest, Decisions(texts, None, None))
    faulty_views: IntArray = np.bincount(part, weights=flags).astype(np.int64)
    if rule is None or len(names) == len(part):
        of_parts = _by_views(classes, decided, flags, scores, part)
    else:
        of_parts = _by_rule(classes, rule, probabilities, part)
    return Parts(tuple(names.tolist()), views, faulty_views, largest, of_parts)


def _by_views(
    classes: Classes, decided: Decisions, flags: BoolArray, scores: FloatArray, part: IntArray
) -> Decisions:
    highest = _largest(scores[:, None], part)[:, 0]
    if decided.labels is not None:
        return of_labels(classes, _largest(decided.labels.astype(float), part) > 0, highest)
    texts = tuple(decided.texts[image] for image in _deciding(scores, flags, part).tolist())
    return Decisions(texts, highest, np.bincount(part, weights=flags) > 0)


def _by_rule(classes: Classes, rule: PartRule, probabilities: FloatArray, part: IntArray) -> Decisions:
    scores = classes.scores(probabilities)
    of_parts = group_scores(scores, part, rule.top)
    above = of_parts > np.array(rule.point.thresholds)
    if classes.kind == "multilabel":
        return of_labels(classes, above, of_parts.max(1))
    last = _deciding(scores[:, 0], np.zeros(len(part), dtype=np.bool_), part)
    fault = classes.faults[probabilities[np.ix_(last, classes.faults)].argmax(1)]
    assert classes.good is not None, "else there is no rule"
    chosen: IntArray = np.where(above[:, 0], fault, classes.good)
    return Decisions(tuple(classes.names[number] for number in chosen.tolist()), of_parts[:, 0], above[:, 0])


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
