"""Many images from a few rendered ones: rendering takes longer than extracting."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from coilal.common.types import DecodedImages, ImageFormat
from coilal.demo.rendered import RenderedCoils

NOISE = 8  # grey levels


def pictures(count: int, size: tuple[int, int], work: Path, rendered: int = 128) -> DecodedImages:
    """Return rendered images, repeated with other noise each.

    Args:
        count: how many.
        size: height and width.
        work: folder for what is rendered.
        rendered: images that are rendered, a multiple of 16.
    """
    source = RenderedCoils(coils=4, images_per_coil=rendered // 4)
    few = source.decode(source.read(), ImageFormat(size), work).pixels
    draws = np.random.default_rng(0)
    pixels = np.empty((count, *few.shape[1:]), np.uint8)
    for first in range(0, count, len(few)):
        part = pixels[first : first + len(few)]
        noise = draws.integers(0, NOISE, part.shape, dtype=np.uint8)
        np.add(few[: len(part)] // 2, noise, out=part)  # halved, so that nothing overflows
    return DecodedImages(pixels, f"{count} pictures", np.zeros(count, np.uint64))
