"""What image files say of themselves, read without decoding them; what is refused or told because of it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from joblib import cpu_count
from numpy.typing import NDArray
from PIL import ExifTags, ImageFile

from coilal.common.types import ImageFormat, Problem
from coilal.data.image_file import opened, pixel_type
from coilal.data.in_order import in_order
from coilal.data.pixel_range import full_range

HEADER = np.dtype(
    [
        ("type", "S8"),  # of the pixels, as numpy names it; empty where the file cannot be opened
        ("mode", "S8"),  # Pillow's
        ("format", "S8"),  # Pillow's
        ("pages", "<u4"),
        ("turned", np.bool_),  # by its EXIF orientation
        ("height", "<u4"),  # as it is turned
        ("width", "<u4"),
    ]
)

MOST_PIXELS = 1 << 30
"""Larger images are refused: decoding takes a few bytes a pixel."""

Headers = NDArray[Any]

_TOGETHER = 256  # files whose headers a thread reads at a time
_QUARTER_TURNS = (5, 6, 7, 8)
_THIN = 8  # pixels: what is thinner shows nothing
_LITTLE = 0.25  # share of an image
_NOTHING = 0.01


def read_headers(folder: Path, names: Sequence[str], page: int | None) -> Generator[Headers]:
    """Yield the headers of files, some at a time."""

    def read(first: int) -> Headers:
        chunk = names[first : first + _TOGETHER]
        headers = np.zeros(len(chunk), dtype=HEADER)
        for header, name in zip(headers, chunk, strict=True):
            _fill(header, folder / name, page or 1)
        return headers

    with ThreadPoolExecutor(cpu_count()) as pool:
        yield from in_order(pool, read, range(0, len(names), _TOGETHER), ahead=2 * cpu_count())


def _fill(header: Any, path: Path, page: int) -> None:
    try:
        with opened(path) as image:
            # The second picture of an MPO, a JPEG as some cameras write it, is a small copy or a map of depths.
            pages = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            if 1 < page <= pages:
                image.seek(page - 1)
            orientation = _orientation(image)
            size = image.size
            if image.format != "TIFF" and orientation in _QUARTER_TURNS:  # Pillow has turned the size of a TIFF
                size = size[::-1]
            kind = pixel_type(image).name
            header["type"], header["mode"], header["format"] = kind, image.mode, image.format
            header["pages"], header["turned"] = pages, orientation > 1
            header["width"], header["height"] = size
    except Exception:  # whatever Pillow raises: decoding the file tells what is wrong with it
        header["type"] = b""


def _orientation(image: ImageFile.ImageFile) -> int:
    """Return the EXIF orientation; a PNG that has it after its pixels would have to be decoded: 1 there."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    value = image.getexif().get(ExifTags.Base.Orientation, 1)
    return value if value in range(1, 9) else 1


def header_problems(names: Sequence[str], headers: Headers, image: ImageFormat) -> list[Problem]:
    """Return what is refused before any image is decoded."""
    found = [
        *_page_problems(names, headers, image),
        _listed(
            names,
            headers["width"].astype(np.int64) * headers["height"] > MOST_PIXELS,
            f"images of more than {MOST_PIXELS:,} pixels, for which the memory may not do; cut them into tiles, or "
            "save them smaller",
            lambda i: f"{headers['width'][i]} x {headers['height'][i]}",
        ),
        *_type_problems(names, headers, image),
        *_fit_problems(names, headers, image),
    ]
    return [problem for problem in found if problem is not None]


def header_notes(headers: Headers, image: ImageFormat) -> list[str]:
    """Return, with counts, how images are read that are not plain ones; for the log."""
    mode, n = headers["mode"], len(headers)
    thin = _kept_thickness(headers, image) < _THIN
    little = _kept_share(headers, image) < _LITTLE
    told = [
        (headers["pages"] > 1, f"have several pages or frames, of which number {image.page} is used"),
        (headers["format"] == b"MPO", "hold several pictures (MPO), of which the first is used"),
        (headers["turned"], "are turned as their EXIF orientation says"),
        (np.isin(mode, [b"RGBA", b"LA", b"PA", b"RGBa", b"La"]), "have an alpha channel, which is not used"),
        (np.isin(mode, [b"CMYK", b"LAB", b"YCbCr"]), "are in CMYK, YCbCr or Lab and are brought to RGB"),
        (mode == b"P", "have a palette, whose colours are used"),
        (mode == b"1", "have 1 bit a pixel, which becomes 0 or 255"),
        (
            np.isin(mode, [b"RGB", b"RGBA", b"RGBX", b"RGBa", b"CMYK", b"LAB", b"YCbCr"]) & (image.mode == "L"),
            "are stored in colour and used in grey (data.image.mode)",
        ),
        (
            thin,
            f"keep fewer than {_THIN} rows or columns with data.image.fit={image.fit}: choose squash or another "
            "data.image.size",
        ),
        (
            little,
            f"keep less than a quarter of what they show with data.image.fit={image.fit}: choose squash or another "
            "data.image.size",
        ),
    ]
    return [f"{int(which.sum())} of {n} images {words}" for which, words in told if which.any()]


def common_type(headers: Headers) -> np.dtype[Any]:
    """Return the type of the pixels of the files, those left out that cannot be opened; 8 bits if none can be."""
    types = np.unique(headers["type"][headers["type"] != b""])
    return np.dtype(types[0].decode()) if len(types) else np.dtype(np.uint8)


def are_turned_tiffs(headers: Headers) -> NDArray[np.bool_]:
    """Return which files are TIFFs with an orientation, which versions before 2 scrambled."""
    turned: NDArray[np.bool_] = headers["turned"] & (headers["format"] == b"TIFF")
    return turned


def _listed(
    names: Sequence[str], which: NDArray[np.bool_], kind: str, detail: Callable[[int], str]
) -> Problem | None:
    ids = np.flatnonzero(which).tolist()
    return Problem(kind, tuple(f"{names[i]}: {detail(i)}" for i in ids)) if ids else None


def _page_problems(names: Sequence[str], headers: Headers, image: ImageFormat) -> list[Problem | None]:
    pages = headers["pages"]
    if image.page is None:
        kind = (
            "files with several pages or frames; say which of them is the image: data.image.page=1 is the first, "
            "or save the images one a file"
        )
        return [_listed(names, pages > 1, kind, lambda i: f"{pages[i]} pages")]
    kind = f"files without a page {image.page} (data.image.page)"
    lacking = (pages < image.page) & (headers["type"] != b"")
    return [_listed(names, lacking, kind, lambda i: f"{pages[i]} pages")]


def _type_problems(names: Sequence[str], headers: Headers, image: ImageFormat) -> list[Problem | None]:
    kinds, counts = np.unique(headers["type"][headers["type"] != b""], return_counts=True)
    if image.range == "dtype":
        wide = np.isin(headers["type"], [kind for kind in kinds if full_range(np.dtype(kind.decode())) is None])
        text = (
            "pixels of 32 bits, of which data.image.range=dtype would show nothing; set data.image.range=[LOW,HIGH]"
        )
        return [_listed(names, wide, text, lambda i: headers["type"][i].decode())]
    if len(kinds) < 2:
        return []
    rare = kinds[np.argmin(counts)]
    mixed = " and ".join(
        f"{count} of {type_in_words(kind.decode())}" for kind, count in zip(kinds, counts, strict=True)
    )
    text = (
        f"images of different depth in one set, whose values cannot be compared: {mixed}; save all in one depth, "
        "or scale each by all that its type can hold: data.image.range=dtype. The rarer ones are"
    )
    return [_listed(names, headers["type"] == rare, text, lambda i: type_in_words(headers["type"][i].decode()))]


def type_in_words(name: str) -> str:
    """Return what a type of pixels is called."""
    kind = np.dtype(name)
    bits = f"{kind.itemsize * 8} bits"
    return {"f": f"{bits} (float)", "i": f"{bits} (signed)"}.get(kind.kind, bits)


def _fit_problems(names: Sequence[str], headers: Headers, image: ImageFormat) -> list[Problem | None]:
    way = f"data.image.fit={image.fit}; choose data.image.fit=squash, or a data.image.size of their shape"
    size = f"of {image.size[0]} x {image.size[1]} pixels"
    return [
        _listed(
            names,
            _kept_thickness(headers, image) < 1,
            f"images of which less than one row or column {size} is left with {way}",
            lambda i: f"{headers['width'][i]} pixels wide, {headers['height'][i]} high",
        ),
        _listed(
            names,
            _kept_share(headers, image) < _NOTHING,
            f"images of which less than a hundredth is left with {way}",
            lambda i: f"{headers['width'][i]} pixels wide, {headers['height'][i]} high",
        ),
    ]


def _kept_thickness(headers: Headers, image: ImageFormat) -> NDArray[np.float64]:
    """Return how many rows or columns of a letterboxed image the picture takes; infinite for other fits."""
    if image.fit != "letterbox":
        return np.full(len(headers), np.inf)
    high, wide = _sizes(headers)
    scale = np.minimum(image.size[0] / high, image.size[1] / wide)
    return np.minimum(high * scale, wide * scale)


def _kept_share(headers: Headers, image: ImageFormat) -> NDArray[np.float64]:
    """Return which share of a cropped image is kept; infinite for other fits."""
    if image.fit != "crop":
        return np.full(len(headers), np.inf)
    high, wide = _sizes(headers)
    scale = np.maximum(image.size[0] / high, image.size[1] / wide)
    return image.size[0] * image.size[1] / (scale**2 * high * wide)


def _sizes(headers: Headers) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return heights and widths; those of files that cannot be opened fit anything."""
    closed = headers["type"] == b""
    return np.where(closed, 1, headers["height"]).astype(float), np.where(closed, 1, headers["width"]).astype(float)
