"""How much of the spread of a difference comes from splits, and how much from seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from coilal.common.types import FloatArray
from coilal.evidence.units import Units


@dataclass(frozen=True)
class Spread:
    """Variance components of Δ AULC between runs.

    Attributes:
        split: variance between splits, of what all seeds of a split have in common; 0 where it is estimated below.
        seed: variance between seeds of one split.
    """

    split: float
    seed: float

    @property
    def share(self) -> float:
        """The share of the variance that comes from splits; NaN where there is none."""
        total = self.split + self.seed
        return self.split / total if total > 0 else math.nan

    @property
    def split_sd(self) -> float:
        """The standard deviation between splits."""
        return math.sqrt(self.split)

    @property
    def seed_sd(self) -> float:
        """The standard deviation between seeds of one split."""
        return math.sqrt(self.seed)


def spread(units: Units, deltas: FloatArray) -> Spread | None:
    """Return where the spread of differences comes from; None with one split, or one seed a split.

    Method of moments of the one-way random model with unequal counts (Searle, Casella, McCulloch 1992, Variance
    Components, section 3.6): the mean squares between and within splits have the expectations seed + n₀·split and
    seed. Splits overlap, so that independent ones would differ more than is estimated here.

    Args:
        units: the split of each pair.
        deltas: Δ of each pair (R).
    """
    if units.kind == "seed" or units.count < 2 or units.runs == units.count:
        return None
    of = np.array(units.of)
    counts = np.bincount(of)
    means = units.means(deltas)
    within = float(((deltas - means[of]) ** 2).sum()) / (units.runs - units.count)
    between = float((counts * (means - deltas.mean()) ** 2).sum()) / (units.count - 1)
    per_split = (units.runs - float((counts**2).sum()) / units.runs) / (units.count - 1)
    return Spread(max((between - within) / per_split, 0.0), within)
