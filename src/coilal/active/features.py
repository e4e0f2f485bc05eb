"""The inputs of the last linear layer for some images, read in blocks: what strategies on features look at."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from coilal.common.types import IntArray

Float32Array = NDArray[np.float32]

BLOCK = 1 << 13
"""Rows that are copied at once: some megabytes, whatever the number of images."""


class RowSource(Protocol):
    """Rows (N, D) of any float type, in memory or mapped from a file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return (N, D)."""
        ...

    def __getitem__(self, index: Any, /) -> Any: ...


class Features:
    """Features h of n images, float32 (n, D): for a plain head the standardised features of the backbone.

    Nothing of the size of all rows is copied; products with many vectors are made block by block.

    Args:
        source: rows (N, D), of these images and perhaps of others.
        places: int64 (n,), the rows of the source that are meant, in this order.
        mean: (D,), subtracted from each row; None where the source is standardised.
        deviation: (D,), each row is divided by; None where the source is standardised.
    """

    def __init__(
        self,
        source: RowSource,
        places: IntArray,
        mean: Float32Array | None = None,
        deviation: Float32Array | None = None,
    ) -> None:
        self._source, self._places = source, np.asarray(places, dtype=np.int64)
        self._mean, self._deviation = mean, deviation
        self._scale: Float32Array | None = None

    def __len__(self) -> int:
        return len(self._places)

    @property
    def width(self) -> int:
        """Return D."""
        return self._source.shape[1]

    @cached_property
    def squared_lengths(self) -> Float32Array:
        """Return ‖h‖² of each row, (n,); not finite where the row is not."""
        lengths = np.empty(len(self), dtype=np.float32)
        for here, block in self.blocks():
            np.einsum("nd,nd->n", block, block, out=lengths[here])
        return lengths

    def subset(self, rows: IntArray) -> Features:
        """Return those of some of the images, by position."""
        chosen = self._with(self._places[rows], None if self._scale is None else self._scale[rows])
        if "squared_lengths" in vars(self):  # computed before
            chosen.squared_lengths = self.squared_lengths[rows]
        return chosen

    def joined(self, others: Features) -> Features:
        """Return these and others of the same source, one after the other.

        Raises:
            ValueError: the others have another source, or are scaled otherwise.
        """
        if others._source is not self._source or (self._scale is None) != (others._scale is None):
            raise ValueError("features of another source cannot be joined")
        scale = None
        if self._scale is not None and others._scale is not None:
            scale = np.concatenate([self._scale, others._scale])
        return self._with(np.concatenate([self._places, others._places]), scale)

    def normalised(self) -> Features:
        """Return z, the features scaled to length 1; a row of zeros stays one."""
        lengths = np.sqrt(self.squared_lengths)
        scale = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
        return self._with(self._places, scale)

    def blocks(self, size: int = BLOCK) -> Iterator[tuple[slice, Float32Array]]:
        """Yield places and rows (m, D) of so many images at a time, in order; the rows must not be changed."""
        for first in range(0, len(self), size):
            here = slice(first, min(first + size, len(self)))
            yield here, self._scaled(self._read(self._places[here]), here)

    def take(self, rows: IntArray) -> Float32Array:
        """Return the features (k, D) of some images, by position."""
        return self._scaled(self._read(self._places[rows]), rows)

    def products(self, vectors: Float32Array) -> Float32Array:
        """Return the products of all rows with k vectors (k, D): (n, k)."""
        found = np.empty((len(self), len(vectors)), dtype=np.float32)
        if self._lie_close:  # one pass over memory as it lies is faster than gathering
            everything = np.empty((self._source.shape[0], len(vectors)), dtype=np.float32)
            for first in range(0, len(everything), BLOCK):
                here = slice(first, first + BLOCK)
                np.matmul(self._read(here), vectors.T, out=everything[here])
            np.take(everything, self._places, axis=0, out=found)
            return found if self._scale is None else np.multiply(found, self._scale[:, None], out=found)
        for here, block in self.blocks():
            np.matmul(block, vectors.T, out=found[here])
        return found

    @property
    def _lie_close(self) -> bool:
        return 2 * len(self) > self._source.shape[0]

    def _with(self, places: IntArray, scale: Float32Array | None) -> Features:
        features = Features(self._source, places, self._mean, self._deviation)
        features._scale = scale
        return features

    def _read(self, chosen: slice | IntArray) -> Float32Array:
        rows = np.asarray(self._source[chosen], dtype=np.float32)
        if self._mean is not None and self._deviation is not None:
            rows = (rows - self._mean) / self._deviation
        return rows

    def _scaled(self, rows: Float32Array, chosen: slice | IntArray) -> Float32Array:
        return rows if self._scale is None else rows * self._scale[chosen, None]
