"""Seeded random numbers on a coarse grid, the same on every machine."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GRID = 4096.0
"""Numbers are rounded to 1/4096, so that a difference in the last bit cannot reach a pixel."""


def on_grid(values: Floats) -> Floats:
    """Return the values rounded to the coarse grid."""
    rounded: Floats = np.rint(values * GRID) / GRID
    return rounded


class Draws:
    """Random numbers for one purpose, identified by a word and integers such as seed, coil and image.

    Only ``Generator.random`` of PCG64 is used: its stream is exact integer arithmetic.
    """

    def __init__(self, purpose: str, *keys: int) -> None:
        entropy = [zlib.crc32(purpose.encode()), *keys]
        self._generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))

    def between(self, low: float, high: float) -> float:
        """Return one number in [low, high]."""
        return float(np.rint((low + (high - low) * self._generator.random()) * GRID) / GRID)

    def many(self, low: float, high: float, shape: int | tuple[int, ...]) -> Floats:
        """Return an array of numbers in [low, high]."""
        return on_grid(low + (high - low) * self._generator.random(shape))

    def bell(self, spread: float, shape: int | tuple[int, ...]) -> Floats:
        """Return sums of four uniform numbers, around 0 with the standard deviation ``spread``."""
        total = self.many(-1, 1, shape) + self.many(-1, 1, shape)
        total = total + self.many(-1, 1, shape) + self.many(-1, 1, shape)
        return on_grid(total * (spread * 0.8660254))

    def whole(self, low: int, high: int) -> int:
        """Return one integer in low … high, both included."""
        return min(high, low + int(self._generator.random() * (high - low + 1)))

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return bool(self._generator.random() < probability)

    def choose(self, weights: tuple[float, ...]) -> int:
        """Return an index drawn with the given weights."""
        point = self._generator.random() * sum(weights)
        for index, weight in enumerate(weights):
            point -= weight
            if point < 0:
                return index
        return len(weights) - 1
