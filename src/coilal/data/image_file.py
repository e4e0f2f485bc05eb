"""An image file as Pillow opens it: its page, the type of its pixels, and those of more than eight bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImageOps

Image.MAX_IMAGE_PIXELS = None  # Pillow's limit is for files of strangers; ours is in coilal.data.headers

Values = NDArray[Any]
"""Pixels as the file has them, (H, W) or (H, W, 3): uint8, int8, uint16, int16, uint32, int32 or float32."""


@contextmanager
def opened(path: Path, page: int = 1) -> Iterator[ImageFile.ImageFile]:
    """Open an image file at a page, without decoding it."""
    # Of a file that Pillow opens by its name it maps uncompressed pixels into memory, and TIFFs that are to be
    # turned by a quarter come out scrambled (seen with Pillow 13.0).
    with path.open("rb") as stream, Image.open(stream) as image:
        assert isinstance(image, ImageFile.ImageFile)
        if page > 1:
            image.seek(page - 1)
        yield image


def pixel_type(image: ImageFile.ImageFile) -> np.dtype[Any]:
    """Return the type of the pixels that the file of an open image has, before they are decoded."""
    if image.mode == "F":
        return np.dtype(np.float32)
    tags = getattr(image, "tag_v2", None)  # of a TIFF
    if image.mode == "I" and tags is None:
        return np.dtype(np.uint16 if image.format == "PPM" else np.int32)
    if tags is not None and image.mode in ("I", "L"):
        signed, bits = tags.get(339, (1,))[0] == 2, tags.get(258, (8,))[0]
        if image.mode == "I" or signed:  # Pillow takes 32 bits as signed, and eight as unsigned
            return np.dtype(f"{'i' if signed else 'u'}{bits // 8}")
    return np.dtype(np.uint16 if image.mode.startswith("I;16") or has_deep_colours(image) else np.uint8)


def has_deep_colours(image: ImageFile.ImageFile) -> bool:
    """Return whether these are colours of 16 bits, of which Pillow keeps the upper 8."""
    if image.mode not in ("RGB", "RGBA", "RGBX", "RGBa", "LA", "CMYK") or not image.tile:
        return False
    if image.format == "JPEG2000":
        return _jpeg_2000_bits(image) > 8
    codec, arguments = image.tile[0].codec_name, image.tile[0].args
    return ";16" in _raw_mode(arguments) or (codec == "ppm" and isinstance(arguments, tuple) and arguments[1] > 255)


def turned(image: ImageFile.ImageFile) -> Image.Image:
    """Return the decoded image, turned as its EXIF orientation says."""
    image.load()
    return ImageOps.exif_transpose(image)


def deep_values(image: ImageFile.ImageFile, path: Path, page: int, kind: np.dtype[Any]) -> Values:
    """Return pixels of more than eight bits, (H, W) or (H, W, 3), turned as the EXIF orientation says.

    Args:
        image: the open file, not decoded yet.
        path: the file.
        page: which page is open.
        kind: the type of its pixels.

    Raises:
        ValueError: colours whose depth cannot be read; besides what Pillow raises.
    """
    if image.tile and image.tile[0].codec_name == "ppm":
        return _portable_anymap(image, path)
    return _deep_colour(image, path, page) if has_deep_colours(image) else _deep_grey(image, kind)


def _deep_grey(image: ImageFile.ImageFile, kind: np.dtype[Any]) -> Values:
    tags = getattr(image, "tag_v2", {})
    values = np.asarray(turned(image))
    if values.dtype.itemsize == kind.itemsize and kind.kind != "f":
        values = values.astype(values.dtype.newbyteorder("=")).view(kind)
    values = values.astype(kind)
    if kind == np.uint16 and tags.get(ExifTags.Base.PhotometricInterpretation) == 0:  # white is 0
        values = 65535 - values
    return values


def _portable_anymap(image: ImageFile.ImageFile, path: Path) -> Values:
    """Return the values of a binary PGM or PPM with a largest value that is not 65535: Pillow stretches them."""
    width, height = image.size
    channels = 3 if image.mode == "RGB" else 1
    with path.open("rb") as stream:
        stream.seek(image.tile[0].offset)
        content = stream.read(width * height * channels * 2)
    if len(content) < width * height * channels * 2:
        raise OSError("image file is truncated")
    values = np.frombuffer(content, dtype=">u2").astype(np.uint16)
    return values.reshape((height, width, channels) if channels == 3 else (height, width))


def _deep_colour(image: ImageFile.ImageFile, path: Path, page: int) -> Values:
    """Return 16-bit colours (H, W, 3).

    Pillow keeps the first byte of each value in one byte order and the second in the other, so that both together
    are the whole value.

    Raises:
        ValueError: a file of which Pillow does not give the lower bytes.
    """
    raw_mode = _raw_mode(image.tile[0].args)
    if raw_mode.partition(";")[0] == "LA":  # as bytes: grey, grey, alpha, alpha
        both = _decoded_as(path, page, "RGBA").astype(np.uint16)
        return np.repeat(both[..., :1] << 8 | both[..., 1:2], 3, axis=2)
    order = {"B": "L", "L": "B", "N": "B"}.get(raw_mode[-1])
    if order is None or raw_mode.partition(";")[0] not in ("RGB", "RGBA", "RGBX"):
        raise ValueError(
            f"colours of more than 8 bits in a file of the kind {image.format} {image.mode} cannot be read; save "
            "it as a PNG or TIFF in RGB or grey"
        )
    upper = np.asarray(turned(image))[..., :3].astype(np.uint16)
    return upper << 8 | _decoded_as(path, page, raw_mode[:-1] + order)[..., :3]


def _decoded_as(path: Path, page: int, raw_mode: str) -> NDArray[np.uint8]:
    with opened(path, page) as image:
        image.tile = [tile._replace(args=_with_raw_mode(tile.args, raw_mode)) for tile in image.tile]
        return np.asarray(turned(image))


def _jpeg_2000_bits(image: ImageFile.ImageFile) -> int:
    """Return the bits of the first channel, from the SIZ marker at the start of the codestream."""
    assert image.fp is not None
    image.fp.seek(0)
    head = image.fp.read(1 << 16)
    start = head.find(b"\xff\x4f\xff\x51")
    return (head[start + 42] & 0x7F) + 1 if 0 <= start < len(head) - 42 else 8


def _raw_mode(arguments: Any) -> str:
    """Return how the pixels lie in the file, from the arguments of Pillow's decoder."""
    first = arguments if isinstance(arguments, str) or not arguments else arguments[0]
    return first if isinstance(first, str) else ""


def _with_raw_mode(arguments: Any, raw_mode: str) -> Any:
    return raw_mode if isinstance(arguments, str) else (raw_mode, *arguments[1:])
