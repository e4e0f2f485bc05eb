"""Store of decoded images: uint8 on disk, memory-mapped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coilal.array_store import open_or_build as open_or_build_array

Pixels = NDArray[np.uint8]


def open_or_build(
    cache: Path, key: str, shape: tuple[int, ...], fill: Callable[[Pixels], None], max_gb: float | None = None
) -> Pixels:
    """Return the decoded images stored under ``key``, uint8 (N, C, H, W); see coilal.array_store."""
    return open_or_build_array(
        cache / "images" / f"{key}.npy", shape, np.uint8, fill, f"{shape[0]} decoded images", max_gb
    )
