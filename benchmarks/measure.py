"""Macro-F1, margin and memory, measured in the same way for every contestant that leaves it to the user."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def macro_f1(targets: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> float:
    """Return the mean F1 of the classes that occur or are predicted (scikit-learn's default).

    Args:
        targets: int64 (n,).
        predicted: int64 (n,).
        classes: number of classes.
    """
    confusion = np.bincount(targets * classes + predicted, minlength=classes**2).reshape(classes, classes)
    hits, size = np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1)
    seen = size > 0
    return float((2 * hits[seen] / size[seen]).mean())


def smallest_margins(probabilities: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Return the rows (count,) with the smallest difference of the two largest of the columns (n, C)."""
    largest = np.sort(probabilities, axis=1)
    return np.argsort(largest[:, -1] - largest[:, -2], kind="stable")[:count]


class PeakMemory:
    """Peak of the resident memory of this process above what it held at construction (Linux)."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark, see proc(5)
        self.before = _kilobytes("VmRSS")

    def megabytes(self) -> float:
        """Return the peak since construction, in MB (10⁶ bytes)."""
        return max(0, _kilobytes("VmHWM") - self.before) * 1024 / 1e6


def _kilobytes(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if found is None:
        raise OSError(f"/proc/self/status has no {name}: peak memory is measured on Linux only")
    return int(found.group(1))
