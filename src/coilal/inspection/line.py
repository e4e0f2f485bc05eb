"""The figures of a cycle that an inspection line decides by, as columns of cycles.csv."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coilal.common.types import BoolArray, FloatArray, IntArray, UserError
from coilal.inspection.calibration import expected_calibration_error, probabilities_of, scaled, temperature
from coilal.inspection.operating_point import Classes, lowest_thresholds
from coilal.inspection.parts import faultless, group_scores

Row = dict[str, float]


@dataclass(frozen=True)
class Inspection:
    """How a line decides; see ``conf/train.yaml``.

    Attributes:
        overkill: most good validation images (or groups), in percent, that may be taken for faulty.
        top: the fault score of a group is the mean of its so many largest ones; 1: its largest.
    """

    overkill: float = 5.0
    top: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not 0 <= self.overkill < 100 or self.top < 1:
            raise UserError(
                f"inspection.overkill={self.overkill:g}, inspection.top={self.top}: needed are percent from 0 to "
                "below 100, and 1 view or more."
            )


@dataclass(frozen=True)
class Known:
    """What is known of the images of a part of the split.

    Attributes:
        values: class indices (n), or 0/1 labels (n, L).
        groups: number of the group of each image (n), from 0 without gaps.
    """

    values: IntArray
    groups: IntArray

    @classmethod
    def of(cls, values: IntArray, groups: Sequence[str]) -> Known:
        """Return what is known of images by their values and the names of their groups (n)."""
        place = {name: number for number, name in enumerate(dict.fromkeys(groups))}
        return cls(values, np.array([place[name] for name in groups], dtype=np.int64))

    @property
    def in_groups(self) -> bool:
        """Whether any two images are of one group."""
        return len(self.values) > 0 and int(self.groups.max()) + 1 < len(self.values)


@dataclass(frozen=True)
class Line:
    """Decides on the test images of a run by thresholds from its validation images.

    Attributes:
        classes: what the outputs mean.
        inspection: how is decided.
        validation: the images that thresholds and temperature are from.
        test: the images that are decided on.
    """

    classes: Classes
    inspection: Inspection
    validation: Known
    test: Known

    def figures(self, validation: FloatArray, test: FloatArray) -> Row:
        """Return the columns of a cycle; see ``docs/evaluation.md`` for what each of them is.

        A column that can be filled in no cycle is left out: ``point/`` where no class is known to be fault-free,
        ``group/`` where, besides, each image is a group of its own. What has no denominator, or no threshold
        for lack of fault-free validation images, is NaN.

        Args:
            validation: logits of the validation images (n, C), n at least 1.
            test: logits of the test images (m, C).
        """
        kind, classes = self.classes.kind, self.classes
        heat = temperature(kind, validation, self.validation.values)
        of_validation, of_test = (
            probabilities_of(kind, logits.astype(np.float64)) for logits in (validation, test)
        )
        cooled = scaled(kind, of_test, heat)
        row = {
            "val/calibration/temperature": heat,
            "test/calibration/ece": expected_calibration_error(kind, of_test, self.test.values),
            "test/calibration/ece_scaled": expected_calibration_error(kind, cooled, self.test.values),
        }
        if not len(classes.faults):
            return row
        scores = [classes.scores(each) for each in (of_validation, of_test)]
        good = [classes.is_good(known.values) for known in (self.validation, self.test)]
        thresholds = self._thresholds(scores[0], good[0])
        names = [f"/{name}" for name in classes.names] if kind == "multilabel" else [""]
        row |= {f"val/point/threshold{name}": value for name, value in zip(names, thresholds.tolist(), strict=True)}
        flagged = [_flagged(each, thresholds) for each in scores]
        row |= _counts("val/point", good[0], flagged[0]) | _rates("test/point", good[1], flagged[1])
        row |= _effective("test/point", good[1], flagged[1], self.test.groups)
        return row | self._of_groups(scores, good)

    def _thresholds(self, scores: FloatArray, good: BoolArray) -> FloatArray:
        if not good.any():
            return np.full(scores.shape[1], np.nan)
        return lowest_thresholds(scores[good], self.inspection.overkill)

    def _of_groups(self, scores: Sequence[FloatArray], good: Sequence[BoolArray]) -> Row:
        parts = (self.validation, self.test)
        if not any(known.in_groups for known in parts):
            return {}
        of_groups = [
            group_scores(each, known.groups, self.inspection.top) for each, known in zip(scores, parts, strict=True)
        ]
        sound = [faultless(each, known.groups) for each, known in zip(good, parts, strict=True)]
        thresholds = self._thresholds(of_groups[0], sound[0])
        flagged = [_flagged(each, thresholds) for each in of_groups]
        return _counts("val/group", sound[0], flagged[0]) | _rates("test/group", sound[1], flagged[1])


def effective_size(flags: BoolArray, groups: IntArray) -> float:
    """Return how many independent images say as much on a share as these, of which some are of one group.

    The number of images over the design effect (Korn & Graubard 1998, Survey Methodology 24, section 2): variance
    of the share with groups as clusters over that of independent images; never more than there are. Where all or
    none have the flag nothing shows how alike the images of a group are: then as if they were all the same.

    Args:
        flags: what the share is of (n).
        groups: number of the group of each (n).
    """
    images, clusters = len(flags), len(np.unique(groups))
    share = float(flags.mean()) if images else math.nan
    if clusters == images or share in (0.0, 1.0) or clusters < 2:
        return float(clusters)
    return images / design_effect(flags.astype(np.float64) - share, groups)


def design_effect(residual: FloatArray, groups: IntArray) -> float:
    """Return the variance of a mean of groups of images over that of independent images, 1 at least.

    The factor by which the variance grows because images come in groups (Kish 1965, Survey Sampling, 8.2).

    Args:
        residual: value of each image less the mean (n).
        groups: number of the group of each (n); two groups or more.
    """
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], weights=residual)
    independent = float((residual**2).sum())
    if len(sums) == len(residual) or independent == 0:
        return 1.0
    return max(1.0, len(sums) / (len(sums) - 1) * float((sums**2).sum()) / independent)


def _flagged(scores: FloatArray, thresholds: FloatArray) -> BoolArray | None:
    if np.isnan(thresholds).any():
        return None
    above: BoolArray = np.logical_or.reduce(scores > thresholds, axis=1)
    return above


def _counts(prefix: str, good: BoolArray, flagged: BoolArray | None) -> Row:
    wrong = {"escaped": math.nan, "rejected": math.nan}
    if flagged is not None:
        wrong = {"escaped": float((~good & ~flagged).sum()), "rejected": float((good & flagged).sum())}
    counts = {"faulty": float((~good).sum()), "good": float(good.sum()), **wrong}
    return {f"{prefix}/{name}": count for name, count in counts.items()}


def _rates(prefix: str, good: BoolArray, flagged: BoolArray | None) -> Row:
    row = _counts(prefix, good, flagged)

    def share(of: str, everything: str) -> float:
        whole = row[f"{prefix}/{everything}"]
        return row[f"{prefix}/{of}"] / whole if whole else math.nan

    rates = {"escape_rate": share("escaped", "faulty"), "overkill_rate": share("rejected", "good")}
    return {f"{prefix}/{name}": rate for name, rate in rates.items()} | row


def _effective(prefix: str, good: BoolArray, flagged: BoolArray | None, groups: IntArray) -> Row:
    row: Row = {}
    for name, of in (("faulty", ~good), ("good", good)):
        row[f"{prefix}/{name}_groups"] = float(len(np.unique(groups[of])))
        row[f"{prefix}/{name}_effective"] = (
            effective_size(flagged[of], groups[of]) if flagged is not None and of.any() else math.nan
        )
    return row
