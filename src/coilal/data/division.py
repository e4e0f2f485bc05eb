"""Which of the possible divisions of a data set a split is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from coilal.common.types import FloatArray, UserError

MOST_VALUES = 1000
"""Values of an attribute that a study leaves out one by one, at most."""


@dataclass(frozen=True)
class Division:
    """Which of the possible divisions of a data set a split is.

    Attributes:
        validation: share of all images.
        test: share of all images; not used with folds.
        folds: None: each number is another random division. k: the groups are dealt to k folds, of which the test
            part is one; numbers 0 to k − 1 test each group once, k to 2k − 1 do so again with other folds.
        by: None, or an attribute of the images: the test part is all images of one of its values; the number says
            of which, in alphabetical order.
        number: 0 or more.
    """

    validation: float
    test: float
    folds: int | None = None
    number: int = 0
    by: str | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Any], number: int = 0) -> Division:
        """Return the division of settings (``data.split``).

        Raises:
            UserError: shares that are not numbers from 0 to below 1 in sum, fewer than two folds, or both folds and
                an attribute.
        """
        known = {"validation", "test"}
        if not known <= set(settings) <= {*known, "folds", "by"}:
            raise UserError(
                f"data.split needs validation and test, not {', '.join(map(str, settings)) or 'nothing'}."
            )
        folds, by = settings.get("folds"), settings.get("by")
        if folds is not None and by is not None:
            raise UserError(f"data.split.folds={folds} and data.split.by={by} exclude each other: set one of them.")
        division = cls(float(settings["validation"]), float(settings["test"]), folds, number, by)
        if division.folds is not None and division.folds < 2:
            raise UserError(f"data.split.folds is {division.folds}; needed are two or more, or null.")
        validation, test = division.validation, division.tested
        if not (validation >= 0 and test >= 0 and validation + test < 1):
            raise UserError(
                f"data.split is validation={validation}, test={test:g}: needed are shares from 0, together below 1."
            )
        return division

    @property
    def tested(self) -> float:
        """The share of the test part."""
        return self.test if self.folds is None else 1 / self.folds

    @property
    def shares(self) -> FloatArray:
        """The share of each of ``PARTS`` (3)."""
        return np.array([1 - self.validation - self.tested, self.validation, self.tested])

    @property
    def dealing(self) -> int:
        """Which dealing of the groups to folds it belongs to."""
        return 0 if self.folds is None else self.number // self.folds

    @property
    def fold(self) -> int:
        """The fold that is tested."""
        return 0 if self.folds is None else self.number % self.folds

    @property
    def apart(self) -> range:
        """Numbers of the splits, its own among them, of which no two may test the same group."""
        if self.by is not None:
            return range(MOST_VALUES)
        return range(self.dealing * (self.folds or 0), (self.dealing + 1) * (self.folds or 0))
