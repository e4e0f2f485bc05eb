"""Image files: decoded once, in threads, into the store; what is wrong with them is listed together."""

from __future__ import annotations

import hashlib
import json
import logging
import stat
import struct
import time
import zlib
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import PIL
from joblib import cpu_count
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from coilal.common.array_store import Content, Target, open_or_build, open_or_extend
from coilal.common.choices import chosen
from coilal.common.long_work import LongWork
from coilal.common.types import DataError, DecodedImages, ImageFormat, IntArray, Problem, UserError
from coilal.data.decode import DECODE_VERSION, fit_image, open_image
from coilal.data.headers import (
    HEADER,
    Headers,
    are_turned_tiffs,
    common_type,
    header_notes,
    header_problems,
    read_headers,
    type_in_words,
)
from coilal.data.image_file import Values
from coilal.data.in_order import at_a_time, in_order
from coilal.data.pixel_range import PixelRange, full_range, scaled, spread

log = logging.getLogger(__name__)

CONTACT_SHEET = "contact_sheet.png"
"""What ``coilal.render`` writes beside its images to look at; nobody's label table names it."""

Duplicates = Literal["error", "keep"]

Rows = NDArray[Any]
Scanned = tuple[Rows, list[tuple[str, str]]]  # what is in some files; names and reasons of those that are damaged

CONTENT = np.dtype([("digest", "<u8"), ("blank", np.bool_)])
"""What is kept of each image at full size: hash of its pixels, and whether all of them are the same."""

_SPREAD = np.dtype([*CONTENT.descr, ("low", "<f8"), ("high", "<f8")])
_CLIPPED = np.dtype([*CONTENT.descr, ("clipped", "<u8")])  # values outside the range

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


def check_duplicates(value: str) -> Duplicates:
    """Return the setting ``duplicates``.

    Raises:
        UserError: it is none of its choices.
    """
    return chosen("data.source.duplicates", value, get_args(Duplicates))


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
    unchanged if its size and time of change are the same; where some have changed, the others are copied from
    what is stored. What is killed goes on after the images that it has stored.

    Args:
        folder: folder that the names are relative to.
        names: files (N), in id order.
        image: size, fit, mode, range and page.
        cache: the cache folder.
        duplicates: ``error`` or ``keep``.
        max_gb: most gigabytes that the whole cache may take; None for what the disk holds.

    Raises:
        DataError: missing, unreadable, truncated and duplicate images, listed together. If there are only
            duplicates, the images stay stored, for ``keep``.
    """
    stats, missing = stamps(folder, names)
    if missing:
        raise DataError(file_problems(folder, names, duplicates, image.mode, image))
    headers = _headers(folder, names, stats, image, cache, max_gb)
    if header_problems(names, headers, image):
        raise DataError(file_problems(folder, names, duplicates, image.mode, image, headers))
    for note in header_notes(headers, image):
        log.info("data: %s", note)
    files = _Files(folder, names, image, duplicates)
    about = f"{len(names)} decoded images"

    def stored(key: _Key, row: np.dtype[Any], reading: _Files, what: str = about) -> Rows:
        target = Target(cache / "images" / f"{key.name}.npy", (len(names),), row, what)
        return open_or_extend(target, key.content, partial(_decoded, reading, row), max_gb)

    if image.range == "auto" and common_type(headers) != np.uint8:
        whole = ImageFormat((1, 1), mode=image.mode)
        spreads = _Key(folder, names, stats, whole, ("spread", image.page))
        files = replace(files, limits=_range_of(stored(spreads, _SPREAD, files, f"range of {about}")))
    elif not isinstance(image.range, str) and (image.range != (0, 255) or common_type(headers) != np.uint8):
        files = replace(files, limits=PixelRange(float(image.range[0]), float(image.range[1])))
    extra = files.determined_by(headers)
    content = CONTENT if files.limits is None else _CLIPPED
    key = _Key(folder, names, stats, image, tuple(extra))
    rows = stored(key, np.dtype([*content.descr, ("pixels", np.uint8, (image.channels, *image.size))]), files)
    # Apart from the pixels, so that later runs need not pass over them.
    beside = Target(cache / "images" / f"{key.name}.contents.npy", (len(names),), content)
    contents = open_or_build(beside, partial(_contents, rows, content), max_gb)
    problems = _duplicates(names, contents, duplicates)
    if problems:
        raise DataError(problems)
    _tell(files, headers, contents)
    digests = np.array(contents["digest"])
    fingerprint, of_format = _digest(names, image, digests, extra), _digest([], image, digests[:0], extra)
    return DecodedImages(rows["pixels"], fingerprint, digests, files.limits, of_format, _copies(contents))


@dataclass(frozen=True)
class _Files:
    """Which files are decoded, and how.

    Attributes:
        folder: folder that the names are relative to.
        names: files (N).
        image: the format.
        duplicates: ``error`` or ``keep``.
        limits: the values that become 0 and 255; None: of each image what its type can hold.
    """

    folder: Path
    names: Sequence[str]
    image: ImageFormat
    duplicates: Duplicates
    limits: PixelRange | None = None

    def part(self, names: Sequence[str]) -> _Files:
        return replace(self, names=names)

    def of(self, ids: IntArray) -> _Files:
        return self.part([self.names[i] for i in ids.tolist()])

    def determined_by(self, headers: Headers) -> list[Any]:
        """Return what the pixels depend on besides size, fit and mode; nothing for ordinary images."""
        extra: list[Any] = []
        if self.limits is not None:
            extra.append(["range", *self.limits])
        if self.image.page is not None:
            extra.append(["page", self.image.page])
        if self.image.range == "dtype" and (headers["type"] != b"uint8").any():
            extra.append(["range", "dtype"])
        if are_turned_tiffs(headers).any():  # stored scrambled by versions before 2
            extra.append("turned TIFF")
        return extra


def _headers(
    folder: Path,
    names: Sequence[str],
    stats: NDArray[np.int64],
    image: ImageFormat,
    cache: Path,
    max_gb: float | None,
) -> Headers:
    """Return what the files say of themselves, from the cache if it is there or can be written."""
    key = _Key(folder, names, stats, ImageFormat((1, 1)), ("headers", image.page))
    target = Target(cache / "headers" / f"{key.name}.npy", (len(names),), HEADER, f"headers of {len(names)} images")

    def read(ids: IntArray) -> Generator[Headers]:
        return read_headers(folder, [names[i] for i in ids.tolist()], image.page)

    try:
        headers = np.array(open_or_extend(target, key.content, read, max_gb))
    except UserError:  # a cache that is read-only: of an earlier version, which had no headers
        headers = np.concatenate([np.zeros(0, HEADER), *read(np.arange(len(names)))])
    closed = np.flatnonzero(headers["type"] == b"")  # perhaps for a moment only
    if len(closed):
        headers[closed] = np.concatenate(list(read(closed)))
    return headers


def _range_of(spreads: Rows) -> PixelRange:
    return PixelRange(float(spreads["low"].min()), float(spreads["high"].max()))


def _tell(files: _Files, headers: Headers, contents: Rows) -> None:
    """Log how the values were scaled, and what is blank."""
    images, limits, kind = len(contents), files.limits, common_type(headers)
    if limits is not None:
        log.info(
            "data: %d images of %s; their values %s become 0 to 255 (data.image.range=%s)",
            images,
            type_in_words(kind.name),
            f"from {limits.low:.9g} to {limits.high:.9g}",
            _setting_in_words(files.image, limits),
        )
        clipped = contents["clipped"]
        if clipped.any():
            log.info(
                "data: %d values in %d of %d images lie outside that range and are clipped",
                int(clipped.sum()),
                int(np.count_nonzero(clipped)),
                images,
            )
    elif files.image.range == "dtype":
        log.info("data: all that %s can hold becomes 0 to 255 (data.image.range=dtype)", _types(headers))
    blank = int(contents["blank"].sum())
    if blank:
        log.info("data: %d of %d images are blank (one single value); they are kept", blank, images)


def _setting_in_words(image: ImageFormat, limits: PixelRange) -> str:
    if image.range != "auto":
        return str(limits)
    # If all values are the same, there is no range that data.image.range takes.
    return f"auto; {limits} keeps that whatever images are added" if limits.low < limits.high else "auto"


def _types(headers: Headers) -> str:
    return " or ".join(type_in_words(kind.decode()) for kind in np.unique(headers["type"]))


def _decoded(files: _Files, row: np.dtype[Any], ids: IntArray) -> Generator[Rows]:
    """Yield the rows of some of the files, up to the first that is damaged; raise if there is one."""
    wanted = files.of(ids)
    doing = "decoding" if "pixels" in (row.names or ()) else "looking for the range of the values of"
    log.info("data: %s %d images", doing, len(ids))
    started, work = time.perf_counter(), LongWork(doing, len(ids))
    scanned: list[Scanned] = []
    sound = True
    for decoded, damaged in _scan(wanted, row):
        scanned.append((_content_of(decoded, CONTENT), damaged))
        work.done(len(decoded))
        sound = sound and not damaged
        if sound:  # after the first damage nothing is stored, but what is wrong with all files is looked for
            yield decoded
    if not sound:
        others = files.of(np.setdiff1d(np.arange(len(files.names)), ids))  # stored before
        names = [*others.names, *wanted.names]
        problems = _problems(names, [*_scan(others, CONTENT), *scanned], files.duplicates)
        raise _error_of_damage(files, problems, scanned)
    log.info("data: %s %d images: %.1f s", doing, len(ids), time.perf_counter() - started)


def _error_of_damage(files: _Files, problems: list[Problem], scanned: Sequence[Scanned]) -> Exception:
    """Return the error to raise; one that keeps what is stored if all files can be read the second time."""
    damaged = [found for _, chunk in scanned for found in chunk]
    if any(again for _, again in _scan(files.part([name for name, _ in damaged]), CONTENT)):
        return DataError(problems)
    return OSError(
        f"{len(damaged)} images could be read at the second try only, the first was {': '.join(damaged[0])}"
    )


def file_problems(
    folder: Path,
    names: Sequence[str],
    duplicates: Duplicates = "error",
    mode: Literal["L", "RGB"] = "RGB",
    image: ImageFormat | None = None,
    headers: Headers | None = None,
) -> list[Problem]:
    """Return what ``decode_files`` would complain of, without storing anything.

    Where the mode is not known, images that differ in colour only are no duplicates; where the format is not known,
    nothing is said of files that do not fit it.

    Args:
        folder: folder that the names are relative to.
        names: files (N).
        duplicates: ``error`` or ``keep``.
        mode: grey or colour.
        image: the format.
        headers: what the files say of themselves, if that is known already.
    """
    _, missing = stamps(folder, names)
    absent = set(missing)
    present = [name for name in names if name not in absent]
    files = _Files(folder, present, image or ImageFormat((1, 1), mode=mode), duplicates)
    problems = _missing(folder, missing)
    if image is not None:
        if headers is None or missing:
            headers = np.concatenate([np.zeros(0, HEADER), *read_headers(folder, present, image.page)])
        problems += header_problems(present, headers, image)
    return [*problems, *_problems(present, list(_scan(files, CONTENT)), duplicates)]


def _missing(folder: Path, missing: Sequence[str]) -> list[Problem]:
    links: list[str] = []
    others: list[str] = []
    absent: list[str] = []
    for name in missing:
        path = folder / name
        (others if path.exists() else links if path.is_symlink() else absent).append(name)
    kinds = {
        f"images that are not in {folder}; add them, take their rows out, or mend data.root": absent,
        f"links in {folder} to nothing; mend them, or take them out": links,
        f"images in {folder} that are no files but folders, named pipes or the like; take them out": others,
    }
    return [Problem(kind, tuple(names)) for kind, names in kinds.items() if names]


def _problems(names: Sequence[str], scanned: Sequence[Scanned], duplicates: Duplicates) -> list[Problem]:
    contents = np.concatenate([np.zeros(0, CONTENT), *(contents for contents, _ in scanned)])
    problems = _damages([found for _, damaged in scanned for found in damaged])
    return [*problems, *_duplicates(names, contents, duplicates)]


def stamps(folder: Path, names: Sequence[str]) -> tuple[NDArray[np.int64], list[str]]:
    """Return size and time of change of each file (N, 2), 0 of those that are no files, and the names of these.

    Args:
        folder: folder that the names are relative to.
        names: files (N).

    Raises:
        OSError: the disk does not say, for another reason than that there is no such file.
    """
    stats = np.zeros((len(names), 2), dtype=np.int64)
    missing = []
    for index, name in enumerate(names):
        path = folder / name
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            missing.append(name)
            continue
        if not stat.S_ISREG(found.st_mode):  # to open a named pipe waits for what is never written
            missing.append(name)
            continue
        stats[index] = found.st_size, found.st_mtime_ns
    return stats, missing


@dataclass(frozen=True)
class _Key:
    """What determines an array of what is in files: of all of them, and of each.

    Attributes:
        folder: folder that the names are relative to.
        names: files (N).
        stats: size and time of change of each (N, 2).
        image: the format.
        extra: what else counts.
    """

    folder: Path
    names: Sequence[str]
    stats: NDArray[np.int64]
    image: ImageFormat
    extra: tuple[Any, ...]

    @property
    def name(self) -> str:
        return _digest([*self._place, *self.names], self.image, self.stats, self.extra)

    @property
    def content(self) -> Content:
        return Content(_digest(self._place, self.image, self.stats[:0], self.extra), self._of_files)

    @property
    def _place(self) -> list[str]:
        # The folder is part of it: two data sets may agree in names, sizes and times (unpacked archives).
        return [PIL.__version__, str(self.folder.resolve())]

    def _of_files(self) -> NDArray[np.uint64]:
        texts = (f"{name}\0{stat}" for name, stat in zip(self.names, self.stats.tolist(), strict=True))
        digests = (hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
        return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def _digest(names: Sequence[str], image: ImageFormat, values: NDArray[Any], extra: Sequence[Any]) -> str:
    settings = [DECODE_VERSION, list(image.size), image.fit, image.mode, *extra]
    digest = hashlib.sha256(json.dumps([settings, list(names)]).encode())
    digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _scan(files: _Files, row: np.dtype[Any]) -> Generator[Scanned]:
    """Yield, a few files at a time, what is in them, and the names of those that are damaged, with the reason.

    Args:
        files: which files.
        row: what is wanted of each: ``CONTENT``, and ``pixels``, ``clipped``, or ``low`` and ``high``.
    """
    together = at_a_time(_CHUNK, row.itemsize)
    names, image = files.names, files.image

    def decode(first: int) -> Scanned:
        damaged = []
        chunk = names[first : first + together]
        rows = np.zeros(len(chunk), dtype=row)
        for index, name in enumerate(chunk):
            try:
                values = open_image(files.folder / name, image.mode, image.page or 1)
            except _UNREADABLE as error:
                rows["blank"][index] = True  # nothing to compare with other images
                damaged.append((name, _reason(error, files.folder / name)))
                continue
            _fill(rows[index], values, files)
        return rows, damaged

    threads = cpu_count()
    with ThreadPoolExecutor(threads) as pool:  # Pillow decodes and resizes without holding the GIL
        yield from in_order(pool, decode, range(0, len(names), together), ahead=2 * threads)


def _fill(row: Any, values: Values, files: _Files) -> None:
    """Write into a row what it has fields for."""
    fields = row.dtype.names
    row["digest"], row["blank"] = _pixel_hash(values), _is_blank(values)
    if "low" in fields:
        row["low"], row["high"] = spread(values)
    if "pixels" in fields:
        limits = files.limits or full_range(values.dtype)
        if limits is None:
            raise UserError(f"pixels of {values.dtype} need data.image.range=[LOW,HIGH]")
        pixels, clipped = scaled(values, limits)
        row["pixels"] = fit_image(Image.fromarray(pixels), files.image)
        if "clipped" in fields:
            row["clipped"] = clipped


def _contents(stored: Rows, content: np.dtype[Any], start: int) -> Generator[Rows]:
    for first in range(start, len(stored), _TOGETHER):
        yield _content_of(stored[first : first + _TOGETHER], content)


def _content_of(rows: Rows, content: np.dtype[Any]) -> Rows:
    """Return a copy of these fields of rows."""
    contents = np.empty(len(rows), dtype=content)
    for field in content.names or ():
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


def _pixel_hash(values: Values) -> int:
    height, width = values.shape[:2]
    little_endian = values.astype(values.dtype.newbyteorder("<"), copy=False)
    digest = hashlib.blake2b(little_endian.tobytes(), digest_size=8, salt=f"{width}x{height}".encode())
    return int.from_bytes(digest.digest(), "little")


def _is_blank(values: Values) -> bool:
    return bool((values.max(axis=(0, 1)) == values.min(axis=(0, 1))).all())


def _duplicates(names: Sequence[str], contents: Rows, duplicates: Duplicates) -> list[Problem]:
    if duplicates == "keep" or not (copies := _copies(contents)):
        return []
    kind = "duplicate images (equal pixels); take the copies out, or keep them with data.source.duplicates=keep"
    return [Problem(kind, tuple(f"{names[copy]} is {names[original]}" for copy, original in copies.items()))]


def _copies(contents: Rows) -> dict[int, int]:
    """Return the id of the first image that shows the same, of each one after it; blank images are left out."""
    ids = np.flatnonzero(~contents["blank"])
    _, first, inverse = np.unique(contents["digest"][ids], return_index=True, return_inverse=True)
    originals = ids[first[inverse]]
    copies = np.flatnonzero(ids != originals)
    return dict(zip(ids[copies].tolist(), originals[copies].tolist(), strict=True))
