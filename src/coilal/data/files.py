"""Image files: decoded once, in threads, into the store; what is wrong with them is listed together."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import struct
import time
import zlib
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import PIL
from joblib import cpu_count
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from coilal.array_store import Target, open_or_build
from coilal.data.decode import DECODE_VERSION, fit_image, open_image
from coilal.data.in_order import at_a_time, in_order
from coilal.long_work import LongWork
from coilal.types import DataError, DecodedImages, ImageFormat, Problem

log = logging.getLogger(__name__)

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")

CONTACT_SHEET = "contact_sheet.png"
"""What ``coilal.render`` writes beside its images to look at; nobody's label table names it."""

Duplicates = Literal["error", "keep"]

Rows = NDArray[Any]
Scanned = tuple[Rows, list[tuple[str, str]]]  # what is in some files; names and reasons of those that are damaged

CONTENT = np.dtype([("digest", "<u8"), ("blank", np.bool_)])
"""What is kept of each image at full size: hash of its pixels, and whether all of them are the same."""

_CHUNK = 64  # images that a thread decodes at a time
_TOGETHER = 1 << 10  # images whose content is copied at a time
# What Pillow raises for files that are damaged in one way or another.
_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    IndexError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def list_images(folder: Path) -> list[str]:
    """Return the image files in a folder and its sub-folders, as sorted paths relative to it.

    Hidden files and folders are passed over.
    """
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = Path(place).relative_to(folder)
        found += [
            (inside / name).as_posix()
            for name in files
            if name.lower().endswith(SUFFIXES) and not name.startswith(".")
        ]
    return sorted(found)


def decode_files(
    folder: Path,
    names: Sequence[str],
    image: ImageFormat,
    cache: Path,
    duplicates: Duplicates = "error",
    max_gb: float | None = None,
) -> DecodedImages:
    """Return image files decoded and resized, from the cache if the files have not changed since.

    Two images are duplicates if their pixels are equal at full size. Blank images (one single value) are not
    counted as such, because nothing is learnt from their being equal; their number is logged. A file counts as
    unchanged if its size and time of change are the same. What is killed goes on after the images that it has
    stored.

    Args:
        folder: folder that the names are relative to.
        names: files (N), in id order.
        image: size, fit and mode.
        cache: the cache folder.
        duplicates: ``error`` or ``keep``.
        max_gb: most gigabytes that the whole cache may take; None for what the disk holds.

    Raises:
        DataError: missing, unreadable, truncated and duplicate images, listed together. If there are only
            duplicates, the images stay stored, for ``keep``.
    """
    stats, missing = _stat(folder, names)
    if missing:
        raise DataError(file_problems(folder, names, duplicates, image.mode))
    key = _key(folder, names, stats, image)
    row = np.dtype([*CONTENT.descr, ("pixels", np.uint8, (image.channels, *image.size))])

    file, about = cache / "images" / f"{key}.npy", f"{len(names)} decoded images"
    decode = partial(_decoded, folder, names, image, row, duplicates)
    stored = open_or_build(Target(file, (len(names),), row, about), decode, max_gb)
    # Apart from the pixels, so that later runs need not pass over them.
    beside = Target(file.with_suffix(".contents.npy"), (len(names),), CONTENT)
    contents = open_or_build(beside, partial(_contents, stored), max_gb)
    problems = _duplicates(names, contents, duplicates)
    if problems:
        raise DataError(problems)
    blank = int(contents["blank"].sum())
    if blank:
        log.info("data: %d of %d images are blank (one single value); they are kept", blank, len(names))
    digests = np.array(contents["digest"])
    return DecodedImages(stored["pixels"], _digest(names, image, digests), digests)


def _decoded(
    folder: Path,
    names: Sequence[str],
    image: ImageFormat,
    row: np.dtype[Any],
    duplicates: Duplicates,
    start: int,
) -> Generator[Rows]:
    """Yield the rows of the files from ``start`` on, up to the first that is damaged; raise if there is one."""
    log.info("data: decoding %d images", len(names) - start)
    started = time.perf_counter()
    work = LongWork("decoding", len(names), start)
    scanned: list[Scanned] = []
    sound = True
    for decoded, damaged in _scan(folder, names[start:], image, row):
        scanned.append((_content_of(decoded), damaged))
        work.done(len(decoded))
        sound = sound and not damaged
        if sound:  # after the first damage nothing is stored, but what is wrong with all files is looked for
            yield decoded
    if not sound:
        before = _scan(folder, names[:start], image, CONTENT)  # stored by a process that was killed
        raise _error_of_damage(folder, image, _problems(names, [*before, *scanned], duplicates), scanned)
    log.info("data: decoded %d images in %.1f s", len(names) - start, time.perf_counter() - started)


def _error_of_damage(
    folder: Path, image: ImageFormat, problems: list[Problem], scanned: Sequence[Scanned]
) -> Exception:
    """Return the error to raise; one that keeps what is stored if all files can be read the second time."""
    damaged = [found for _, chunk in scanned for found in chunk]
    if any(again for _, again in _scan(folder, [name for name, _ in damaged], image, CONTENT)):
        return DataError(problems)
    return OSError(
        f"{len(damaged)} images could be read at the second try only, the first was {': '.join(damaged[0])}"
    )


def file_problems(
    folder: Path, names: Sequence[str], duplicates: Duplicates = "error", mode: Literal["L", "RGB"] = "RGB"
) -> list[Problem]:
    """Return what ``decode_files`` would complain of, without storing anything.

    Where the mode is not known, images that differ in colour only are no duplicates.
    """
    _, missing = _stat(folder, names)
    absent = set(missing)
    present = [name for name in names if name not in absent]
    scanned = list(_scan(folder, present, ImageFormat((1, 1), mode=mode), CONTENT))
    problems = _problems(present, scanned, duplicates)
    if missing:
        kind = f"images that are not in {folder}; add them, take their rows out, or mend data.root"
        problems.insert(0, Problem(kind, tuple(missing)))
    return problems


def _problems(names: Sequence[str], scanned: Sequence[Scanned], duplicates: Duplicates) -> list[Problem]:
    contents = np.concatenate([np.zeros(0, CONTENT), *(contents for contents, _ in scanned)])
    problems = _damages([found for _, damaged in scanned for found in damaged])
    return [*problems, *_duplicates(names, contents, duplicates)]


def _stat(folder: Path, names: Sequence[str]) -> tuple[NDArray[np.int64], list[str]]:
    """Return size and time of change of each file (N, 2) and the names of those that are not there."""
    stats = np.zeros((len(names), 2), dtype=np.int64)
    missing = []
    for index, name in enumerate(names):
        path = folder / name
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            missing.append(name)
            continue
        stats[index] = found.st_size, found.st_mtime_ns
    return stats, missing


def _key(folder: Path, names: Sequence[str], stats: NDArray[np.int64], image: ImageFormat) -> str:
    # The folder is part of it: two data sets may agree in names, sizes and times (unpacked archives).
    return _digest([PIL.__version__, str(folder.resolve()), *names], image, stats)


def _digest(names: Sequence[str], image: ImageFormat, values: NDArray[Any]) -> str:
    settings = [DECODE_VERSION, list(image.size), image.fit, image.mode]
    digest = hashlib.sha256(json.dumps([settings, list(names)]).encode())
    digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _scan(folder: Path, names: Sequence[str], image: ImageFormat, row: np.dtype[Any]) -> Generator[Scanned]:
    """Yield, a few files at a time, what is in them, and the names of those that are damaged, with the reason.

    Args:
        folder: folder that the names are relative to.
        names: files.
        image: the format of the pixels.
        row: ``CONTENT``, or that and ``pixels`` uint8 (C, H, W).
    """
    together = at_a_time(_CHUNK, row.itemsize)

    def decode(first: int) -> Scanned:
        damaged = []
        chunk = names[first : first + together]
        rows = np.zeros(len(chunk), dtype=row)
        for index, name in enumerate(chunk):
            try:
                picture = open_image(folder / name, image.mode)
            except _UNREADABLE as error:
                rows["blank"][index] = True  # nothing to compare with other images
                damaged.append((name, _reason(error, folder / name)))
                continue
            rows["digest"][index], rows["blank"][index] = _pixel_hash(picture), _is_blank(picture)
            if "pixels" in (row.names or ()):
                rows["pixels"][index] = fit_image(picture, image)
        return rows, damaged

    threads = cpu_count()
    with ThreadPoolExecutor(threads) as pool:  # Pillow decodes and resizes without holding the GIL
        yield from in_order(pool, decode, range(0, len(names), together), ahead=2 * threads)


def _contents(stored: Rows, start: int) -> Generator[Rows]:
    for first in range(start, len(stored), _TOGETHER):
        yield _content_of(stored[first : first + _TOGETHER])


def _content_of(rows: Rows) -> Rows:
    """Return a copy of what rows hold besides the pixels."""
    contents = np.empty(len(rows), dtype=CONTENT)
    for field in ("digest", "blank"):
        contents[field] = rows[field]
    return contents


def _reason(error: BaseException, path: Path) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image, or of an unknown kind" if path.stat().st_size else "the file is empty"
    return f"{error}".replace(str(path), path.name) or type(error).__name__


def _damages(damaged: list[tuple[str, str]]) -> list[Problem]:
    kinds: dict[str, list[str]] = {"truncated": [], "unreadable": []}
    for name, reason in damaged:
        kinds["truncated" if "truncated" in reason.lower() else "unreadable"].append(f"{name}: {reason}")
    return [
        Problem(f"images that are {kind}; copy them again, or take them out", tuple(places))
        for kind, places in kinds.items()
        if places
    ]


def _pixel_hash(picture: Image.Image) -> int:
    digest = hashlib.blake2b(picture.tobytes(), digest_size=8, salt=f"{picture.width}x{picture.height}".encode())
    return int.from_bytes(digest.digest(), "little")


def _is_blank(picture: Image.Image) -> bool:
    return all(band.getextrema()[0] == band.getextrema()[1] for band in picture.split())


def _duplicates(names: Sequence[str], contents: Rows, duplicates: Duplicates) -> list[Problem]:
    if duplicates == "keep":
        return []
    ids = np.flatnonzero(~contents["blank"])
    _, first, inverse = np.unique(contents["digest"][ids], return_index=True, return_inverse=True)
    originals = ids[first[inverse]]
    copies = np.flatnonzero(ids != originals)
    if not len(copies):
        return []
    kind = "duplicate images (equal pixels); take the copies out, or keep them with data.source.duplicates=keep"
    pairs = zip(ids[copies].tolist(), originals[copies].tolist(), strict=True)
    return [Problem(kind, tuple(f"{names[copy]} is {names[original]}" for copy, original in pairs))]
