"""Decoding of one image file at its full depth, and bringing eight-bit values to the stored size."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from coilal.common.types import ImageFormat
from coilal.data.image_file import Values, deep_values, opened, pixel_type, turned

DECODE_VERSION = 1
"""Raise it whenever the pixels that come out of this file change: stored images are then made anew."""

LARGE = 1 << 26
"""Images of more pixels than this are decoded one at a time: several copies of each have to fit into memory."""

# Lanczos widens its support with the scale, so it is antialiased, and of Pillow's filters it keeps most
# contrast of strands and gaps that are one to a few pixels high (box and bilinear blur them).
_FILTER = Image.Resampling.LANCZOS

_LUMINANCE = (19595, 38470, 7471)  # of R, G, B in 65536, ITU-R 601-2, as Pillow converts eight bits

_large_turn = threading.Lock()


def open_image(path: Path, mode: str, page: int = 1) -> Values:
    """Return the pixels of an image file at their full depth, in grey (mode ``L``) or colour (``RGB``).

    The image is turned as its EXIF orientation says, that is, as the person who labelled it saw it. Transparency
    is ignored: the colour values are what the camera measured.

    Args:
        path: the file.
        mode: ``L`` or ``RGB``.
        page: of a file with several pages or frames, counted from 1.

    Raises:
        OSError, SyntaxError, ValueError, EOFError, and others that Pillow raises: not an image, damaged,
            truncated, of a kind that cannot be read, or with values that are not finite.
    """
    with opened(path, page) as image:
        kind = pixel_type(image)
        with _large_turn if image.width * image.height > LARGE else nullcontext():
            if kind == np.uint8:
                return np.asarray(eight_bit(turned(image), mode))
            values = deep_values(image, path, page, kind)
    if not np.isfinite(values).all():
        raise ValueError("it holds values that are no numbers (NaN or infinite)")
    return _in_mode(values, mode)


def fit_image(image: Image.Image, image_format: ImageFormat) -> NDArray[np.uint8]:
    """Return an image in the stored format.

    Args:
        image: 8-bit of any colour mode.
        image_format: size, fit and mode.

    Returns:
        uint8 (C, H, W).

    Raises:
        ValueError: a fit that does not exist, or a pixel type of more than eight bits.
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
    """Return an 8-bit image of any colour mode as ``L`` or ``RGB``, without its transparency.

    Raises:
        ValueError: pixels of more than eight bits, which need a range first (coilal.data.pixel_range).
    """
    if image.mode == "F" or image.mode.startswith("I"):
        raise ValueError(f"pixels of more than 8 bits (mode {image.mode})")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # the only way that Pillow takes without a warning
    elif image.mode == "La":
        image = image.convert("LA")
    elif image.mode in ("CMYK", "YCbCr", "HSV", "LAB"):
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def _in_mode(values: Values, mode: str) -> Values:
    if values.ndim == 2:
        return values if mode == "L" else np.repeat(values[..., None], 3, axis=2)
    if mode == "RGB":
        return values
    sum_ = np.full(values.shape[:2], 1 << 15, dtype=np.uint32)
    for channel, weight in enumerate(_LUMINANCE):
        sum_ += values[..., channel].astype(np.uint32) * np.uint32(weight)
    return (sum_ >> 16).astype(np.uint16)
