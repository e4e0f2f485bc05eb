"""k-center: images that are far from all that is labelled."""

from __future__ import annotations

import numpy as np

from coilal.active.features import Features
from coilal.active.outputs import PoolOutputs, Selection, declared
from coilal.active.strategies.picking import (
    ROUNDING,
    nearest_squared_distances,
    pick_highest,
    squared_distances,
)

CANDIDATES = 1000
"""Images whose distances are kept up to date: the farthest ones as of the last pass over all."""


def coreset(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Choose the image that is farthest from its nearest labelled or chosen one, again and again.

    Formula: min over labelled and chosen images j of ‖h_i − h_j‖. Direction: highest. Source: Sener & Savarese
    2018, Active Learning for Convolutional Neural Networks: A Core-Set Approach, algorithm 1 (k-center greedy).
    Where nothing is labelled, the first image is drawn uniformly and has no score. Images whose distance float32
    does not tell from 0 are as near as can be.
    """
    farthest = Farthest(declared(outputs.features, "features"), declared(outputs.labelled, "labelled features"))
    rows, squares = zip(*(farthest.pick(generator) for _ in range(batch_size)), strict=True)
    scores = np.sqrt(squares)
    scores[np.isinf(scores)] = np.nan
    return Selection(outputs.ids[list(rows)], scores)


class Farthest:
    """Picks the image that is farthest from all centres, which becomes a centre, again and again.

    Distances to the nearest centre can only fall. While one of the candidates is farther than all other images were
    when a pass was made over all, it is the farthest of all, and no pass is needed.

    Args:
        features: of the images to pick from.
        labelled: of the centres that are there already.
    """

    def __init__(self, features: Features, labelled: Features) -> None:
        self._features = features
        self._nearest = nearest_squared_distances(features, labelled)
        self._pending: list[int] = []
        self._hold_candidates()

    def pick(self, generator: np.random.Generator) -> tuple[int, float]:
        """Return the farthest image, one of those equally far at random, and its squared distance."""
        if self._now.max() * (1 - ROUNDING) > self._most_of_others:
            place = pick_highest(self._now, generator)
            row, square = int(self._rows[place]), float(self._now[place])
        else:
            self._look()
            row = pick_highest(self._nearest, generator)
            square = float(self._nearest[row])
        self._nearest[row] = -np.inf
        self._pending.append(row)
        centre = self._features.take(np.array([row]))[0]
        np.minimum(self._now, squared_distances(self._candidates, centre), out=self._now)
        self._now[self._rows == row] = -np.inf
        return row, square

    def _look(self) -> None:
        """Compute the distances of all images."""
        centres = self._features.subset(np.array(self._pending, dtype=np.int64))
        np.minimum(self._nearest, nearest_squared_distances(self._features, centres), out=self._nearest)
        self._pending.clear()
        self._hold_candidates()

    def _hold_candidates(self) -> None:
        others = max(0, len(self._nearest) - CANDIDATES)
        ascending = np.argpartition(self._nearest, others - 1) if others else np.arange(len(self._nearest))
        self._most_of_others = self._nearest[ascending[others - 1]] if others else np.float32(-np.inf)
        self._rows = np.sort(ascending[others:])
        self._candidates, self._now = self._features.subset(self._rows), self._nearest[self._rows]
