"""Splits into pool, validation and test by group (coil), stratified as well as the groups allow.

A study may have several, by number: repeated random ones, or the folds of a cross-validation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from coilal.common.types import DataError, FloatArray, IntArray, Problem, Samples, Split, Targets
from coilal.data.division import Division
from coilal.data.left_out import left_out

PARTS = ("pool", "validation", "test")

_CANDIDATES = 64
"""Splits that are drawn to choose the best from; fewer where there are many groups."""
_STEPS = 40_000
"""Up to so many groups are placed over all candidates, so that a draw stays quick."""
_STRATA = 256
"""Combinations of labels beyond so many, the rarest, are treated as one."""


@dataclass(frozen=True)
class _Strata:
    """What is balanced over the parts.

    Attributes:
        group: number of each image's group (N).
        stratum: number of each image's class or combination of labels (N).
        labels: 0/1 (N, L); L is 0 where only classes are known.
        classes: whether the strata are classes, all of which must occur in every part. Combinations of labels
            need not: there may be many, and it is the labels that must occur.
    """

    group: IntArray
    stratum: IntArray
    labels: NDArray[np.uint8]
    classes: bool

    @property
    def groups(self) -> int:
        return int(self.group.max(initial=-1)) + 1

    @property
    def number(self) -> int:
        return int(self.stratum.max(initial=-1)) + 1

    @property
    def covered(self) -> IntArray:
        """Columns of ``counts`` that must not be zero in any part."""
        if self.classes:
            return np.arange(self.number)
        return self.number + np.arange(self.labels.shape[1])

    def counts(self, of: IntArray, number: int) -> FloatArray:
        """Return images per stratum, per label and in all (number, S + L + 1) of each value of ``of`` (N)."""
        strata = self.number
        table = np.bincount(of * strata + self.stratum, minlength=number * strata).reshape(number, strata)
        labels = [np.bincount(of, weights=label, minlength=number) for label in self.labels.T]
        return np.column_stack([table, *labels, np.bincount(of, minlength=number)]).astype(np.float64)


def draw_parts(samples: Samples, division: Division) -> IntArray:
    """Return the part of each image (N), a place in ``PARTS``, so that no group stands in two parts.

    It depends on the data and the division, not on the task: it is drawn over all images,
    balancing combinations of labels (or classes) and single labels. So a run that replays another task's
    selection finds its images in the pool.

    Several seeded candidates are drawn; of these the one is taken in which the fewest classes (labels,
    where the data have no classes) are absent from a part, and then the one nearest to the fractions
    (chi-square distance). Folds are drawn the same way, and validation from the groups that are not tested.

    Images without a label have no say in it: they stand where their group stands, and in the pool where no image
    of their group has a label.

    Args:
        samples: groups and labels (N images).
        division: shares of the parts, or folds, and which of the divisions it is.

    Returns:
        Where there are too few groups, parts are empty or lack classes; ``coilal.data.checks.check_split`` says so.

    Raises:
        DataError: more folds than groups; or see ``left_out``.
    """
    if division.by is not None:
        return _drawn_around(samples, division, left_out(samples, division))
    if samples.unlabelled:
        labelled = samples.subset(np.flatnonzero(samples.is_labelled))
        part_of = dict(zip(labelled.groups, draw_parts(labelled, division).tolist(), strict=True))
        return np.array([part_of.get(group, PARTS.index("pool")) for group in samples.groups], dtype=np.int64)
    if division.folds is None:
        return _drawn(samples, division.shares, division.number)
    _ensure_a_group_each(samples, division.folds)
    fold = _drawn(samples, np.full(division.folds, 1 / division.folds), division.dealing)
    part = np.where(fold == division.fold, PARTS.index("test"), PARTS.index("pool"))
    rest = np.flatnonzero(part == PARTS.index("pool"))
    share = division.validation / (1 - division.tested)
    part[rest] = _drawn(samples.subset(rest), np.array([1 - share, share]), division.number)
    return part


def _ensure_a_group_each(samples: Samples, folds: int) -> None:
    groups = len(set(samples.groups))
    if groups < folds:
        fewer = f", or data.split.folds={groups} or fewer" if groups > 2 else ""
        what = (
            f"data.split.folds={folds}: each fold tests one or more groups (coils) of its own, and the images with "
            f"a label are in {groups} groups; give more of them{fewer}"
        )
        raise DataError([Problem(what)])


def _drawn_around(samples: Samples, division: Division, value: str) -> IntArray:
    """Return the part of each image, those of a value of the attribute being the test part."""
    assert division.by is not None
    tested = np.array([found == value for found in samples.attributes[division.by]])
    part = np.where(tested, PARTS.index("test"), PARTS.index("pool"))
    rest = np.flatnonzero(~tested)
    part[rest] = draw_parts(samples.subset(rest), Division(division.validation, 0.0, number=division.number))
    return part


def _drawn(samples: Samples, shares: FloatArray, seed: int) -> IntArray:
    """Return the best of several seeded draws: a part for each image (N), by the shares of the parts (P)."""
    if len(samples) == 0:
        return np.empty(0, dtype=np.int64)
    strata = _strata(samples)
    candidates = int(np.clip(_STEPS // strata.groups, 1, _CANDIDATES))
    draw = _place_images if strata.groups == len(samples) else _place_groups
    drawn = (draw(strata, shares, rng) for rng in np.random.default_rng(seed).spawn(candidates))
    return min(drawn, key=lambda candidate: _badness(strata, shares, candidate))


def as_split(part: IntArray, targets: Targets) -> Split:
    """Return the ids of each part, ascending, without the images that the task leaves out.

    Without a label an image can stand in the pool only: elsewhere it could not be scored, and is left out.

    Args:
        part: the part of each image (N), a place in ``PARTS``.
        targets: which images the task uses, and which have a label (N).
    """
    pool, validation, test = (np.flatnonzero((part == place) & targets.used) for place in range(len(PARTS)))
    return Split(pool, *(ids[targets.is_labelled[ids]] for ids in (validation, test)))


def label_counts(samples: Samples, targets: Targets, split: Split) -> pd.DataFrame:
    """Return images, groups and images per class or label (columns) of each part and in all (rows).

    A last column, ``unlabelled``, counts the images without a label where there are any.
    """
    rows = {}
    groups = np.asarray(samples.groups)
    together = np.concatenate([ids for _, ids in split.parts()])
    unlabelled = {name: int((~targets.is_labelled[ids]).sum()) for name, ids in [*split.parts(), ("all", together)]}
    for name, ids in [*split.parts(), ("all", together)]:
        values = np.take(targets.values, ids[targets.is_labelled[ids]], axis=0)
        if targets.kind == "multiclass":
            counts = np.bincount(values, minlength=len(targets.names))
        else:
            counts = values.sum(axis=0)
        rows[name] = [len(ids), len(np.unique(groups[ids])), *counts.tolist()]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["images", "groups", *targets.names])
    if unlabelled["all"]:
        table.insert(table.shape[1], "unlabelled", list(unlabelled.values()), allow_duplicates=True)
    return table.rename_axis("part")


def _strata(samples: Samples) -> _Strata:
    _, group = np.unique(np.asarray(samples.groups), return_inverse=True)
    labels = samples.labels if samples.labels is not None else np.zeros((len(samples), 0), dtype=np.uint8)
    values = labels if samples.classes is None else samples.classes[:, None]
    _, combination, sizes = np.unique(values, axis=0, return_inverse=True, return_counts=True)
    rank = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")
    stratum = np.minimum(rank, _STRATA - 1)[combination.reshape(-1)]
    return _Strata(group, stratum, labels, classes=samples.classes is not None)


def _place_images(strata: _Strata, shares: FloatArray, rng: np.random.Generator) -> IntArray:
    """Return the part of each image (N), every image being a group of its own."""
    part = np.empty(len(strata.stratum), dtype=np.int64)
    order = np.argsort(strata.stratum, kind="stable")
    for ids in np.split(order, np.cumsum(np.bincount(strata.stratum))[:-1]):
        part[rng.permutation(ids)] = np.repeat(np.arange(len(shares)), _whole_numbers(len(ids), shares, rng))
    return part


def _whole_numbers(number: int, shares: FloatArray, rng: np.random.Generator) -> IntArray:
    """Return shares of a number, rounded at random without bias, none of them 0 where that can be avoided."""
    exact = number * shares
    counts = np.floor(exact).astype(np.int64)
    left = number - int(counts.sum())
    if left:
        rest = exact - counts
        counts[rng.choice(len(shares), left, replace=False, p=rest / rest.sum())] += 1
    if number >= np.count_nonzero(shares):
        for part in np.flatnonzero((counts == 0) & (shares > 0)):
            counts[counts.argmax()] -= 1
            counts[part] += 1
    return counts


def _place_groups(strata: _Strata, shares: FloatArray, rng: np.random.Generator) -> IntArray:
    """Return the part of each image (N), placing group after group, those with the rarest class first.

    The order is that of iterative stratification (Sechidis et al., ECML PKDD 2011). A group goes to a part
    that has no image of the class (or label) yet, if there is one, and else where the chi-square distance
    to the shares grows least.
    """
    groups = strata.counts(strata.group, strata.groups)
    expected = shares[:, None] * groups.sum(axis=0)
    weight = np.divide(1.0, expected, out=np.zeros_like(expected), where=expected > 0)
    have = np.zeros_like(expected)
    place = np.full(len(groups), -1, dtype=np.int64)
    unplaced = len(groups)
    covered = set(strata.covered.tolist())
    spread = np.count_nonzero(groups, axis=0)
    order = sorted(range(groups.shape[1]), key=lambda column: (column not in covered, spread[column]))
    for column in order:
        for group in rng.permutation(np.flatnonzero((groups[:, column] > 0) & (place < 0))):
            size = groups[group]
            growth = (size * (2 * (have - expected) + size) * weight).sum(axis=1)
            allowed = shares > 0
            empty = have[:, -1] == 0
            for wanted in ((have[:, column] == 0) & (column in covered), empty & (unplaced <= empty.sum())):
                if (allowed & wanted).any():
                    allowed &= wanted
            part = int(np.where(allowed, growth.round(9), np.inf).argmin())
            place[group] = part
            have[part] += size
            unplaced -= 1
    return place[strata.group]


def _badness(strata: _Strata, shares: FloatArray, part: IntArray) -> tuple[int, float]:
    """Return how many classes (or labels) are absent from parts, and the chi-square distance."""
    counts = strata.counts(part, len(shares))
    expected = shares[:, None] * counts.sum(axis=0)
    wanted = expected > 0
    absent = (wanted & (counts == 0))[:, [*strata.covered, -1]]
    distance = ((counts - expected)[wanted] ** 2 / expected[wanted]).sum()
    return int(absent.sum()), float(distance.round(6))
