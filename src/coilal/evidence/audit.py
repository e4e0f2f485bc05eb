"""What the cycles have reached on the audit set, and what that says to who is to go on or stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import beta

from coilal.common.types import Kind
from coilal.run_directory.health import read_state

METRIC: Mapping[Kind, str] = {"multiclass": "accuracy", "multilabel": "exact_match"}
LAST = 3
"""Batches that are looked back on."""


@dataclass(frozen=True)
class Point:
    """A cycle of the learning curve.

    Attributes:
        labelled: images that the model learnt from.
        value: share of the audit set that it gets right: accuracy, of labels the exact match.
        low: lower end of its 95 % interval (Clopper and Pearson 1934).
        high: upper end.
    """

    labelled: int
    value: float
    low: float
    high: float


def interval(right: int, of: int, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of a share by Clopper and Pearson (1934), which is exact for independent images.

    Args:
        right: images that are right.
        of: all images, 1 or more.
        level: of confidence.
    """
    outside = (1 - level) / 2
    low = float(beta.ppf(outside, right, of - right + 1)) if right else 0.0
    high = float(beta.ppf(1 - outside, right + 1, of - right)) if right < of else 1.0
    return low, high


def points(folder: Path, kind: Kind, audited: int) -> list[Point]:
    """Return what each finished cycle of a run has reached; nothing without an audit set.

    Args:
        folder: the run directory.
        kind: of the task.
        audited: images of the audit set that have a label.
    """
    path = folder / "checkpoints" / "state.json"
    if not audited or not path.exists():
        return []
    rows, _ = read_state(path)
    metric = f"test/{METRIC[kind]}"
    return [
        Point(int(row["labelled"]), row[metric], *interval(round(row[metric] * audited), audited))
        for row in rows
        if metric in row
    ]


def advice(curve: Sequence[Point], per_image: float | None) -> list[str]:
    """Return what the last batches have bought, in sentences, and what that says about more.

    Args:
        curve: of the finished cycles.
        per_image: seconds an image; None where nobody knows.
    """
    if len(curve) < 2:
        return []
    first, last = curve[max(0, len(curve) - 1 - LAST)], curve[-1]
    labels, gain = last.labelled - first.labelled, 100 * (last.value - first.value)
    took = "" if per_image is None else f" in about {labels * per_image / 60:.0f} minutes"
    told = [
        f"The last {labels} labels{took} moved what the model gets right from {first.value:.0%} to "
        f"{last.value:.0%} of the audit set (95 % interval now {last.low:.0%} to {last.high:.0%})."
    ]
    if len(curve) <= LAST:
        return told
    if last.low <= first.value <= last.high:
        told.append(
            "So small an audit set cannot tell that from chance: if the curve stays flat over further batches, "
            "more labels of this kind hardly pay."
        )
    elif gain < 0:
        told.append("The model got worse: look through the last labels in the gallery, where it disagrees.")
    elif per_image is not None:
        each = labels * per_image / 60 / gain
        told.append(
            f"At this rate a further percentage point takes {each:.1f} minutes or more: go on while it is worth it."
        )
    return told
