"""Images as a browser takes them."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coilal.common.types import UserError
from coilal.data.decode import open_image
from coilal.data.image_file import opened, pixel_type
from coilal.data.pixel_range import scaled, spread

BROWSERS_SHOW = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
}
"""Formats of Pillow's that every browser shows, and their content types."""
GREY = {"1", "L", "LA", "La", "F"}
FAST = 1
"""Level of PNG's compression: on one machine, time matters more than bytes."""


class Picture(NamedTuple):
    """An encoded image: its bytes and their content type."""

    content: bytes
    kind: str


def as_model_sees(pixels: NDArray[np.uint8]) -> Picture:
    """Return an image (C, H, W) of one or three channels as PNG, pixel by pixel.

    More channels than three cannot be shown: then it is the first.
    """
    channels = pixels.shape[0]
    values = pixels.transpose(1, 2, 0) if channels == 3 else pixels[0]
    return _png(np.ascontiguousarray(values))


def as_file_is(content: bytes) -> Picture:
    """Return a file as it is where browsers show it, else as PNG of eight bits: black is its darkest value.

    Raises:
        UserError: it cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="coilal-") as folder:
        path = Path(folder) / "image"
        path.write_bytes(content)
        try:
            with opened(path) as image:
                kind, deep, mode = image.format or "", pixel_type(image) != np.uint8, image.mode
            if kind in BROWSERS_SHOW and not deep:
                return Picture(content, BROWSERS_SHOW[kind])
            values = open_image(path, "L" if mode in GREY or mode.startswith("I") else "RGB")
        except Exception as error:  # Pillow raises many kinds for a damaged file
            raise UserError(f"the image file cannot be read: {error}") from error
    return _png(scaled(values, spread(values))[0] if deep else values)


def _png(values: NDArray[np.uint8]) -> Picture:
    out = io.BytesIO()
    Image.fromarray(values).save(out, "PNG", compress_level=FAST)
    return Picture(out.getvalue(), "image/png")
