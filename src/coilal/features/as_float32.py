"""Stored outputs as training reads them: float32, in memory if they fit a budget, else mapped."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coilal.common.types import ImageArray

_ROWS = 4096  # read at once


class AsFloat32:
    """Rows of an array of another precision, converted when they are read.

    Args:
        array: float (N, …), memory-mapped.
    """

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array

    @property
    def shape(self) -> tuple[int, ...]:
        """Return (N, …)."""
        return self.array.shape

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        rows: NDArray[np.float32] = self.array[index].astype(np.float32)
        return rows


def readable(array: NDArray[Any], memory_gb: float) -> ImageArray:
    """Return a stored array for training: float32 in memory up to ``memory_gb`` gigabytes, else mapped."""
    if 4 * array.size <= memory_gb * 1e9:
        loaded = np.empty(array.shape, dtype=np.float32)
        for first in range(0, len(array), _ROWS):
            loaded[first : first + _ROWS] = array[first : first + _ROWS]
        return loaded
    return array if array.dtype == np.float32 else AsFloat32(array)
