"""ProbCover: images whose balls cover the pool."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coilal.active.features import Features
from coilal.active.outputs import PoolOutputs, Selection, declared
from coilal.active.strategies.clusters import k_means
from coilal.active.strategies.picking import ROUNDING, sample, squared_distances_of_units
from coilal.common.types import BoolArray, IntArray

PURITY = 0.95
SAMPLE = 20_000
"""Images of a pool that are to be covered, and that are candidates."""

_ROWS = 512  # whose distances to all others are looked at at once


def probcover(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Choose the image whose ball covers most images that no ball covers yet, again and again.

    Formula: the number of images z (features scaled to length 1) nearer than δ to the image and to no labelled or
    chosen one. δ is the largest radius with which at least 95 % of the balls are pure: all images in the ball
    have the pseudo-label of its centre, from k-means into as many clusters as there are classes. Direction:
    highest; where all is covered, the rest at random. Source: Yehuda
    et al. 2022, Active Learning Through a Covering Lens, algorithm 1 and section 3.3. Of more than 20,000 images a
    random 20,000 are to be covered, and are the candidates.
    """
    pool = declared(outputs.features, "features").normalised()
    rows = sample(len(pool), max(SAMPLE, batch_size), generator)
    candidates = pool.subset(rows)
    points = candidates.joined(declared(outputs.labelled, "labelled features").normalised())
    cover = _Cover(points.take(np.arange(len(points))), _radius(points, outputs.classes, generator))
    for labelled in range(len(candidates), len(points)):
        cover.take(labelled)
    chosen, scores = [], []
    free = np.ones(len(candidates), dtype=np.bool_)
    for _ in range(batch_size):
        gains = np.where(free, cover.gains[: len(candidates)], -1)
        best = generator.choice(np.flatnonzero(gains == gains.max()))
        scores.append(float(gains[best]))
        chosen.append(int(best))
        free[best] = False
        cover.take(int(best))
    return Selection(outputs.ids[rows[np.array(chosen)]], np.array(scores))


class _Cover:
    """Images, and how many uncovered ones are in the ball of each.

    Args:
        points: z (n, D).
        radius: δ.
    """

    def __init__(self, points: NDArray[np.float32], radius: float) -> None:
        self._points, self._radius = points, radius
        self._uncovered = np.ones(len(points), dtype=np.bool_)
        self.gains = self._in_balls(np.arange(len(points)))

    def take(self, image: int) -> None:
        """Cover what is in the ball of an image."""
        new = np.flatnonzero(self._near(np.array([image]))[0] & self._uncovered)
        self._uncovered[new] = False
        self.gains -= self._in_balls(new)

    def _in_balls(self, images: IntArray) -> IntArray:
        """Return how many of some images are in the ball of each image, (n,)."""
        found = np.zeros(len(self._points), dtype=np.int64)
        for first in range(0, len(images), _ROWS):
            found += self._near(images[first : first + _ROWS]).sum(axis=0)
        return found

    def _near(self, images: IntArray) -> BoolArray:
        """Return which images are in the ball of each of some, (k, n); an image is in its own."""
        # δ is the distance of two images, which other products may round otherwise: these two are not in one ball.
        limit = self._radius**2 * (1 - ROUNDING)
        near: BoolArray = squared_distances_of_units(self._points[images], self._points) < limit
        near[np.arange(len(images)), images] = True
        return near


def _radius(points: Features, classes: int, generator: np.random.Generator) -> float:
    """Return δ: at most 5 % of the images have one with another pseudo-label nearer than that."""
    rows = points.take(np.arange(len(points)))
    label, _ = k_means(points, min(max(classes, 2), len(points)), generator)
    others = np.full(len(rows), np.inf)
    for first in range(0, len(rows), _ROWS):
        here = slice(first, first + _ROWS)
        squares = squared_distances_of_units(rows[here], rows)
        squares[label[here, None] == label] = np.inf
        others[here] = squares.min(axis=1)
    impure = int((1 - PURITY) * len(rows))
    nearest = np.sqrt(np.partition(others, impure)[impure])
    return float(min(nearest, 2.1))  # of one cluster all balls are pure: the sphere's diameter is 2
