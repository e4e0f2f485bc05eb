"""From pixels of any depth to eight bits: which values become black and white, the same for all images."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coilal.data.image_file import Values

_FEW = 256  # an image of fewer pixels than this has no pixel to spare
_SPARED = 10_000  # one pixel of so many is not looked at when the range is sought
_BLOCK = 1 << 24  # values that are scaled at once


class PixelRange(NamedTuple):
    """The values that become 0 and 255; what lies outside is clipped."""

    low: float
    high: float

    def __str__(self) -> str:
        """Return the range as it is given on the command line."""
        return f"[{_number(self.low)},{_number(self.high)}]"


def full_range(kind: np.dtype[Any]) -> PixelRange | None:
    """Return all that a type of 8 or 16 bits can hold; None for larger types, of which no camera uses all."""
    if kind.itemsize > 2:
        return None
    limits = np.iinfo(kind)
    return PixelRange(limits.min, limits.max)


def spread(values: Values) -> PixelRange:
    """Return the smallest and largest value of an image without its outliers.

    The lowest and the highest 1 of 10,000 values, at least one each, are passed over, because a single hot pixel of
    the sensor would make all else dark. Images below 256 values are taken as they are.
    """
    flat = values.reshape(-1)
    if flat.size < _FEW:
        return PixelRange(_shortest(flat.min()), _shortest(flat.max()))
    spared = max(1, flat.size // _SPARED)
    ordered = np.partition(flat, (spared, flat.size - 1 - spared))
    return PixelRange(_shortest(ordered[spared]), _shortest(ordered[-1 - spared]))


def scaled(values: Values, limits: PixelRange) -> tuple[NDArray[np.uint8], int]:
    """Return values as uint8, and how many of them lay outside the range.

    Args:
        values: of any shape.
        limits: what becomes 0 and 255, linearly, rounded to the nearest.
    """
    if values.dtype == np.uint8 and limits == (0, 255):
        return values, 0
    flat = values.reshape(-1)
    result = np.empty(flat.size, dtype=np.uint8)
    outside = 0
    for first in range(0, flat.size, _BLOCK):
        block = flat[first : first + _BLOCK]
        outside += int(np.count_nonzero((block < limits.low) | (block > limits.high)))
        result[first : first + _BLOCK] = _looked_up(block, limits) if block.itemsize <= 2 else _bytes(block, limits)
    return result.reshape(values.shape), outside


def _looked_up(block: Values, limits: PixelRange) -> NDArray[np.uint8]:
    kind = np.iinfo(block.dtype)
    table = _bytes(np.arange(kind.min, kind.max + 1), limits)
    return table[block if kind.min == 0 else block.astype(np.int32) - kind.min]


def _bytes(values: Values, limits: PixelRange) -> NDArray[np.uint8]:
    width = limits.high - limits.low or 1.0  # all values of the set may be the same
    share = (values.astype(np.float64) - limits.low) / width
    return np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)


def _shortest(value: Any) -> float:
    """Return a number that is the same when it is printed and typed again."""
    return float(str(value))


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
