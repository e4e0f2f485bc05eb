"""Decoding of one image: eight bits, greyscale or RGB, brought to the stored size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from coilal.types import ImageFormat

DECODE_VERSION = 1
"""Raise it whenever the pixels that come out of this file change: stored images are then made anew."""

# Lanczos widens its support with the scale, so it is antialiased, and of Pillow's filters it keeps most
# contrast of strands and gaps that are one to a few pixels high (box and bilinear blur them).
_FILTER = Image.Resampling.LANCZOS


def open_image(path: Path, mode: str) -> Image.Image:
    """Return an image file, decoded completely, as 8-bit ``L`` or ``RGB``.

    It is turned as its EXIF orientation says, that is, as the person who labelled it saw it. Of a file with
    several frames the first is taken.

    Raises:
        OSError, SyntaxError, ValueError, EOFError, and others that Pillow raises: not an image, damaged,
            truncated, or of a pixel type that ``eight_bit`` refuses.
    """
    with Image.open(path) as image:
        image.load()
        return eight_bit(ImageOps.exif_transpose(image), mode)


def fit_image(image: Image.Image, image_format: ImageFormat) -> NDArray[np.uint8]:
    """Return an image in the stored format.

    Args:
        image: 8-bit of any colour mode, or 16-bit greyscale (see ``eight_bit``).
        image_format: size, fit and mode.

    Returns:
        uint8 (C, H, W).

    Raises:
        ValueError: a fit that does not exist, or a pixel type that cannot be brought to eight bits.
    """
    image = eight_bit(image, image_format.mode)
    height, width = image_format.size
    if image_format.fit == "squash":
        fitted = image if image.size == (width, height) else image.resize((width, height), _FILTER)
    elif image_format.fit == "crop":
        fitted = ImageOps.fit(image, (width, height), _FILTER)
    elif image_format.fit == "letterbox":
        fitted = ImageOps.pad(image, (width, height), _FILTER, color=0)
    else:
        raise ValueError(f"data.image.fit is '{image_format.fit}'; choose squash, crop or letterbox.")
    pixels = np.asarray(fitted, dtype=np.uint8)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def eight_bit(image: Image.Image, mode: str) -> Image.Image:
    """Return an image as 8-bit ``L`` or ``RGB``.

    16-bit greyscale is scaled by its full range (65535 becomes 255), the same for every image, so that
    brightness stays comparable. Transparency is ignored: the colour values are what the camera measured.

    Raises:
        ValueError: 32-bit integers and floats, whose range is not known.
    """
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image, dtype=np.uint16) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise ValueError("32-bit pixels have no known range; save the image with 8 or 16 bits")
    elif image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # the only way that Pillow takes without a warning
    elif image.mode in ("CMYK", "YCbCr", "HSV", "LAB"):
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)
