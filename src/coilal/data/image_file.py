"""An image file as Pillow opens it: its page, the type of its pixels, and those of more than eight bits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImageOps

Image.MAX_IMAGE_PIXELS = None  # Pillow's limit is for files of strangers; ours is in coilal.data.headers

Values = NDArray[Any]
"""Pixels as the file has them, (H, W) or (H, W, 3): uint8, int8, uint16, int16, uint32, int32 or float32."""


_ANYMAPS = ("ppm", "ppm_plain")  # Pillow's decoders of PGM and PPM with a largest value of their own


@contextmanager
def opened(path: Path, page: int = 1) -> Iterator[ImageFile.ImageFile]:
    """Open an image file at a page, without decoding it.

    Raises:
        ValueError: pixels that Pillow would take for others; besides what Pillow raises.
    """
    # Of a file that Pillow opens by its name it maps uncompressed pixels into memory, and TIFFs that are to be
    # turned by a quarter come out scrambled (seen with Pillow 13.0).
    with path.open("rb") as stream, Image.open(stream) as image:
        assert isinstance(image, ImageFile.ImageFile)
        if page > 1:
            image.seek(page - 1)
        if image.format == "TIFF":
            _as_it_lies(image)
        yield image


def _as_it_lies(image: ImageFile.ImageFile) -> None:
    """Give the planes of 16-bit colours in a TIFF their depth: Pillow takes each plane for one of 8 bits.

    Raises:
        ValueError: a TIFF whose pixels Pillow takes for others.
    """
    tags = getattr(image, "tag_v2", {})
    bits, white_is_0 = max(tags.get(258, (1,))), tags.get(ExifTags.Base.PhotometricInterpretation) == 0
    if image.mode == "F" and white_is_0:
        raise ValueError("float values of which 0 is white cannot be read; save it so that 0 is black")
    if not _is_planar(image):
        return
    first = image.tile[0]
    planes = [tile for tile in image.tile if _raw_mode(tile.args) in ("R", "G", "B")]  # others are not used
    if first.codec_name == "raw" and bits == 16 and image.mode in ("RGB", "RGBA") and planes:
        order = "L" if image.tag_v2.prefix == b"II" else "B"  # type: ignore[attr-defined]
        image.tile = [
            tile._replace(args=_with_raw_mode(tile.args, f"{_raw_mode(tile.args)};16{order}")) for tile in planes
        ]
    elif (bits != 8 or white_is_0) if first.codec_name == "raw" else (bits > 8 and len(tags[258]) > 1):
        raise ValueError(
            f"{bits} bits with the channels one after another (PlanarConfiguration 2) cannot be read; save it "
            "with the channels of each pixel together (PlanarConfiguration 1, chunky)"
        )


def _is_planar(image: ImageFile.ImageFile) -> bool:
    """Return whether a TIFF has each channel in a plane of its own."""
    return bool(image.tile) and getattr(image, "tag_v2", {}).get(ExifTags.Base.PlanarConfiguration, 1) == 2


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
    return ";16" in _raw_mode(arguments) or (
        codec in _ANYMAPS and isinstance(arguments, tuple) and arguments[-1] > 255
    )


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
    if image.tile and image.tile[0].codec_name in _ANYMAPS:
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
    """Return the values of a PGM or PPM with a largest value of its own: Pillow stretches them, or cuts them."""
    width, height = image.size
    shape = (height, width, 3) if image.mode == "RGB" else (height, width)
    count = int(np.prod(shape))
    with path.open("rb") as stream:
        stream.seek(image.tile[0].offset)
        content = stream.read(count * 2 if image.tile[0].codec_name == "ppm" else -1)
    if image.tile[0].codec_name == "ppm":
        values = np.frombuffer(content[: len(content) // 2 * 2], dtype=">u2").astype(np.uint16)
    else:  # numbers in words, with comments up to the end of their line
        values = np.array(re.sub(rb"#[^\r\n]*", b"", content).split()[:count], dtype=bytes).astype(np.int64)
        arguments: Any = image.tile[0].args  # raw mode, largest value
        if ((values < 0) | (values > arguments[-1])).any():
            raise ValueError("it holds values below 0 or above the largest that it names")
        values = values.astype(np.uint16)
    if len(values) < count:
        raise OSError("image file is truncated")
    return values.reshape(shape)


def _deep_colour(image: ImageFile.ImageFile, path: Path, page: int) -> Values:
    """Return 16-bit colours (H, W, 3).

    Pillow keeps the first byte of each value in one byte order and the second in the other, so that both together
    are the whole value.

    Raises:
        ValueError: a file of which Pillow does not give the lower bytes.
    """
    raw_mode = _raw_mode(image.tile[0].args)
    if raw_mode.partition(";")[0] == "LA":  # as bytes: grey, grey, alpha, alpha
        both = _decoded_as(path, page, lambda _: "RGBA").astype(np.uint16)
        return np.repeat(both[..., :1] << 8 | both[..., 1:2], 3, axis=2)
    order = {"B": "L", "L": "B", "N": "B"}.get(raw_mode[-1])
    if order is None or raw_mode.partition(";")[0] not in ("RGB", "RGBA", "RGBX", "R"):  # R: a plane
        raise ValueError(
            f"colours of more than 8 bits in a file of the kind {image.format} {image.mode} cannot be read; save "
            "it as a PNG or TIFF in RGB or grey"
        )
    upper = np.asarray(turned(image))[..., :3].astype(np.uint16)
    return upper << 8 | _decoded_as(path, page, lambda mode: mode[:-1] + order)[..., :3]


def _decoded_as(path: Path, page: int, change: Callable[[str], str]) -> NDArray[np.uint8]:
    """Return the turned image with its raw modes, one a plane or one for all, changed."""
    with opened(path, page) as image:
        image.tile = [
            tile._replace(args=_with_raw_mode(tile.args, change(_raw_mode(tile.args)))) for tile in image.tile
        ]
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
