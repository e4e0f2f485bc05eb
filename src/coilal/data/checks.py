"""Checks of split and budget before anything is trained."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from coilal.types import Budget, Problem, Samples, Split, Targets


def check_split(samples: Samples, targets: Targets, split: Split) -> list[Problem]:
    """Return what is wrong with a split: empty parts, groups on two sides, classes absent from a part."""
    return [
        *_empty_parts(samples, targets, split),
        *_torn_groups(samples, split),
        *_absent(samples, targets, split),
    ]


def check_budget(budget: Budget, pool: int) -> list[Problem]:
    """Return the problem of a budget that is larger than the pool, if it is.

    Args:
        budget: how many labels are bought, and when.
        pool: images in the pool.
    """
    counts = budget.counts()
    if counts[0] > pool:
        what = f"the starting set is larger than the pool: {counts[0]} images of {pool}"
        return [Problem(f"{what}; lower budget.initial (or budget.labelled)")]
    if counts[-1] > pool:
        most = sum(count <= pool for count in counts) - 1
        what = f"the budget is larger than the pool: {counts[-1]} images of {pool}"
        return [Problem(f"{what}; budget.cycles={most} is the most (or shorten budget.labelled)")]
    return []


def _empty_parts(samples: Samples, targets: Targets, split: Split) -> list[Problem]:
    empty = tuple(name for name, ids in split.parts() if not len(ids))
    if not empty:
        return []
    used = np.flatnonzero(targets.used)
    groups = len({samples.groups[index] for index in used})
    kind = (
        f"parts of the split without an image ({len(used)} images in {groups} groups are to be split); "
        "more groups are needed, or other shares (data.split)"
    )
    return [Problem(kind, empty)]


def _torn_groups(samples: Samples, split: Split) -> list[Problem]:
    groups = np.asarray(samples.groups)
    found = {name: set(groups[ids].tolist()) for name, ids in split.parts()}
    torn = tuple(
        f"{group}: {one} and {other}"
        for one, other in combinations(found, 2)
        for group in sorted(found[one] & found[other])
    )
    return [Problem("groups that stand in two parts of the split", torn)] if torn else []


def _absent(samples: Samples, targets: Targets, split: Split) -> list[Problem]:
    groups = np.asarray(samples.groups)
    absent = []
    for index, name in enumerate(targets.names):
        shown = targets.values == index if targets.kind == "multiclass" else targets.values[:, index] == 1
        shown &= targets.used
        parts = [part for part, ids in split.parts() if len(ids) and not shown[ids].any()]
        if parts:
            number = len(np.unique(groups[shown]))
            absent.append(f"{name}: not in {', '.join(parts)} ({shown.sum()} images in {number} groups)")
    what = "classes" if targets.kind == "multiclass" else "labels"
    kind = (
        f"{what} that are absent from a part of the split; it takes 3 groups that have it: add "
        "groups, leave it out, or try another seeds.split or data.split"
    )
    return [Problem(kind, tuple(absent))] if absent else []
