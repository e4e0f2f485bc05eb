"""Checks of split and budget before anything is trained.

By hand, as are the rules of tables (``coilal.data.table``): pandera and its like check types and values of columns
whose names are known; what is wrong here lies between columns, files and parts, and is said with a way out.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from coilal.common.types import Budget, Problem, Samples, Split, Targets
from coilal.data.division import Division

SMALL_BUDGET = 64
"""Images that ``conf/budget/small.yaml`` buys."""


def check_split(
    samples: Samples,
    targets: Targets,
    split: Split,
    needs_validation: bool = True,
    division: Division | None = None,
) -> list[Problem]:
    """Return what is wrong with a split: empty parts, groups on two sides, classes absent from a part.

    Args:
        samples: the images.
        targets: what is learnt of them.
        split: their parts.
        needs_validation: whether a split that the data give must have a validation part, which is scored.
        division: how it was drawn, which decides what helps; None where nobody knows. Where it leaves out a value
            of an attribute, the test part may lack classes.
    """
    division = division or Division(0.0, 0.0)
    return [
        *_empty_parts(samples, targets, split, needs_validation or samples.parts is None, division),
        *_torn_groups(samples, split),
        *_absent(samples, targets, split, division),
    ]


def check_budget(budget: Budget, pool: int, division: Division | None = None) -> list[Problem]:
    """Return the problem of a budget that is larger than the pool, if it is.

    Args:
        budget: how many labels are bought, and when.
        pool: images in the pool.
        division: how the split was drawn; None where nobody knows.
    """
    counts = budget.counts()
    if counts[-1] <= pool:
        return []
    what = "starting set" if counts[0] > pool else "budget"
    wanted = counts[0] if counts[0] > pool else counts[-1]
    ways = ", or ".join(_smaller_budgets(budget, pool))
    others = "; the pools of the study's other splits may be smaller still" if division and division.apart else ""
    return [Problem(f"the {what} is larger than the pool: {wanted} images of {pool}; {ways}{others}")]


def _smaller_budgets(budget: Budget, pool: int) -> list[str]:
    """Return settings of budgets that the pool holds."""
    if budget.labelled:
        return ["shorten budget.labelled", *_named_budget(pool)]
    batch = max(pool // (budget.cycles + 1), 1)
    ways = [*_named_budget(pool), f"budget.initial={batch}" + (f" budget.query={batch}" if budget.cycles else "")]
    if pool <= budget.cycles:
        ways[-1] += f" budget.cycles={max(pool - 1, 0)}"
    if budget.initial <= pool:
        ways.append(f"budget.cycles={sum(count <= pool for count in budget.counts()) - 1}")
    return ways


def _named_budget(pool: int) -> list[str]:
    return ["budget=small"] if pool >= SMALL_BUDGET else []


def _empty_parts(
    samples: Samples, targets: Targets, split: Split, needs_validation: bool, division: Division
) -> list[Problem]:
    needed = [(name, ids) for name, ids in split.parts() if needs_validation or name != "validation"]
    empty = tuple(name for name, ids in needed if not len(ids))
    if not empty:
        return []
    if samples.parts is not None:
        kind = (
            "parts to which the given split gives no image that the task can use (validation and test need images "
            "with a label; validation only where it is scored, score_validation=false); give them whole groups, or "
            "have the split drawn"
        )
        return [Problem(kind, empty)]
    used = np.flatnonzero(targets.used & targets.is_labelled)
    groups = len({samples.groups[index] for index in used})
    fewer = f"fewer folds than data.split.folds={division.folds}, " if division.folds is not None else ""
    kind = (
        f"parts of the split without an image ({len(used)} images in {groups} groups are to be split); "
        f"more groups are needed, {fewer}or other shares (data.split)"
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


def _absent(samples: Samples, targets: Targets, split: Split, division: Division) -> list[Problem]:
    """Return the classes (labels) that are absent from a part, sorted by what helps.

    What a part with images without a label lacks is not known.
    """
    groups = np.asarray(samples.groups)
    leaves_out = division.by is not None
    parts = [(part, ids) for part, ids in split.parts() if not (leaves_out and part == "test")]
    looked_at = [(part, ids) for part, ids in parts if len(ids) and targets.is_labelled[ids].all()]
    needed = len(looked_at)
    never: list[str] = []
    left_out: list[str] = []
    too_few, unlucky, several = [], [], False
    for index, name in enumerate(targets.names):
        shown = targets.values == index if targets.kind == "multiclass" else targets.values[:, index] == 1
        shown &= targets.used
        anywhere = bool(shown.any())
        if leaves_out:
            shown[split.test] = False
        absent = [part for part, ids in looked_at if not shown[ids].any()]
        if not absent:
            continue
        number = len(np.unique(groups[shown]))
        place = f"{name}: not in {', '.join(absent)} ({shown.sum()} images in {number} groups)"
        if number == 0:
            (left_out if anywhere else never).append(name)
        elif number < needed:
            too_few.append(
                place + _spelt_like(name, targets.names, [samples.names[i] for i in np.flatnonzero(shown)])
            )
            several |= targets.class_labels is not None and int(targets.class_labels[index].sum()) > 1
        else:
            unlucky.append(place)
    what = "classes" if targets.kind == "multiclass" else "labels"
    kinds = {
        f"{what} that no image shows{_NEVER[targets.kind]}": never,
        f"{what} that only the value of {division.by} shows which split={division.number} leaves out, so that no "
        f"model can learn them; leave out other values, or {_DROP[targets.kind]}": left_out,
        f"{what} in too few groups: no split helps, as each of the {needed} parts needs a group that shows them; "
        f"{_ways_out(samples, targets, several)}": too_few,
        f"{what} that are absent from a part of the split, though enough groups show them; "
        f"{_other_split(samples, division)}": unlucky,
    }
    return [Problem(kind, tuple(places)) for kind, places in kinds.items() if places]


def _spelt_like(name: str, names: Sequence[str], images: Sequence[str]) -> str:
    """Return that a rare class (label) may be another one, misspelt, and in which images; "" if none is like it."""
    near = difflib.get_close_matches(name, [other for other in names if other != name], n=1, cutoff=0.8)
    if not near:
        return ""
    return f"; did you mean {near[0]}? In {', '.join(images[:3])}" + (", …" if len(images) > 3 else "")


def _other_split(samples: Samples, division: Division) -> str:
    """Return what may bring a class into all parts that enough groups show."""
    if samples.parts is not None:
        return "move whole groups in the given split, or have the split drawn"
    if division.by is not None:
        return "try another share of validation (data.split.validation)"
    if division.folds is None:
        return f"try another split than split={division.number}, or other shares (data.split)"
    following = range(division.apart.stop, division.apart.stop + division.folds)
    return (
        f"try fewer folds than data.split.folds={division.folds}, or other folds: splits {following[0]} to "
        f"{following[-1]}, in place of {division.apart[0]} to {division.apart[-1]}"
    )


_DROP = {
    "multiclass": "drop the class (take its images out of the data)",
    "multilabel": "leave the column out with data.source.ignored_columns",
}
_NEVER = {
    "multiclass": "; add images of them, or take them out of data.source.class_codes",
    "multilabel": ": the column is never 1; leave it out with data.source.ignored_columns",
}


def _ways_out(samples: Samples, targets: Targets, several: bool) -> str:
    """Return what helps a class (label) that too few groups show; ``several``: it is several faults together."""
    if targets.kind == "multilabel":
        return f"add groups that show them, or {_DROP['multilabel']}"
    ways = ["add groups that show them"]
    if samples.labels is not None or samples.class_labels is not None:
        ways.append("learn single faults, not combinations, with task=multilabel")
    if several:
        ways.append("leave out images with several faults with task.module.classes=single")
    return ", or ".join([*ways, _DROP["multiclass"]])
