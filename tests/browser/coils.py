"""Rendered coils, in memory and in a folder."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coilal.demo.renderer import catalogue, photographs

COILS, VIEWS = 4, 16
FILED_COILS, FILED_VIEWS = 12, 8


@lru_cache(maxsize=COILS * VIEWS)
def photograph(number: int) -> NDArray[np.uint8]:
    """Return a rendered coil (486, 745)."""
    return next(iter(photographs(catalogue(COILS, VIEWS, 3), [number])))


def file_coils(folder: Path) -> None:
    """Write a few rendered coils as files, without a table."""
    numbers = range(FILED_COILS * FILED_VIEWS)
    for number, pixels in enumerate(photographs(catalogue(FILED_COILS, FILED_VIEWS, 3), numbers)):
        name = f"Spule{number // FILED_VIEWS:02}_{number % FILED_VIEWS}.jpg"
        Image.fromarray(pixels).save(folder / name, "JPEG", quality=92)
