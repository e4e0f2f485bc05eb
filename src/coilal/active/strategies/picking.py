"""Picking one image after the other, each by what the ones before leave to be gained."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coilal.active.features import Features
from coilal.common.types import IntArray

ROUNDING = 1e-5
"""Differences below this share of a number are taken for float32's rounding in products of hundreds of numbers."""


def sample(images: int, most: int, generator: np.random.Generator) -> IntArray:
    """Return the places of all images, or of as many as there may be at random, ascending."""
    if images <= most:
        return np.arange(images)
    return np.sort(generator.choice(images, most, replace=False))


def pick_highest(values: NDArray[np.floating[Any]], generator: np.random.Generator) -> int:
    """Return the place of the highest value; one of those that are equal but for rounding, at random.

    Args:
        values: (n,), −inf for what may not be picked; not all of them.
        generator: draws among equal values.
    """
    highest = values.max()
    if not np.isfinite(highest):
        return int(generator.choice(np.flatnonzero(values == highest)))
    return int(generator.choice(np.flatnonzero(values >= highest - ROUNDING * abs(highest))))


def squared_distances(features: Features, centre: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ‖h − c‖² of each row to one vector c (D,): (n,); 0 where it is not told from rounding.

    ‖h‖² + ‖c‖² − 2 h·c, by one product over all rows.
    """
    lengths = features.squared_lengths + np.float32(centre @ centre)
    distances = features.products(centre[None])[:, 0]
    distances *= -2
    distances += lengths
    distances[distances < ROUNDING * lengths] = 0
    return distances


def nearest_squared_distances(features: Features, others: Features) -> NDArray[np.float32]:
    """Return the squared distance of each row to the nearest of other rows: (n,); inf where there are none."""
    nearest = np.full(len(features), np.inf, dtype=np.float32)
    for _, centres in others.blocks(512):
        of_centres = np.einsum("md,md->m", centres, centres)
        for here, block in features.blocks(1 << 12):
            lengths = features.squared_lengths[here, None] + of_centres
            distances = block @ centres.T
            distances *= -2
            distances += lengths
            distances[distances < ROUNDING * lengths] = 0
            np.minimum(nearest[here], distances.min(axis=1), out=nearest[here])
    return nearest


def squared_distances_of_units(rows: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the squared distances (n, m) of vectors of length 1; 0 where they are not told from rounding."""
    squares: NDArray[np.float32] = 2 - 2 * (rows @ others.T)
    squares[squares < ROUNDING] = 0
    return squares
