"""Which files of a folder are images, and what else lies there."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from coilal.common.types import DataError, Problem

_IMAGES = """
    .png .apng .jpg .jpeg .jpe .jfif .mpo .bmp .dib .tif .tiff .webp .gif .pgm .ppm .pbm .pnm .pfm
    .jp2 .j2k .j2c .jpc .jpf .jpx .avif .tga .pcx .sgi .ras
"""
_NO_IMAGES = """
    .csv .tsv .txt .xls .xlsx .ods .json .jsonl .xml .yaml .yml .toml .ini .cfg .md .rst .html .htm .pdf .log .lock
    .py .sh .bat .ipynb .db .lnk .license
"""

SUFFIXES = tuple(_IMAGES.split())
"""Names of images end in one of these, in any case: photographs that Pillow decodes."""

_BESIDE = frozenset(["", *_NO_IMAGES.split()])
"""Files that lie beside images and are none, such as tables and notes: not worth a word."""


@dataclass(frozen=True)
class Listing:
    """What lies in a folder and its sub-folders, links to files and folders followed.

    Attributes:
        images: paths of the images relative to the folder, sorted.
        notes: what is not read, with counts, one sentence each.
    """

    images: list[str]
    notes: tuple[str, ...]


def look_through(folder: Path) -> Listing:
    """Return the images in a folder and its sub-folders, and what else lies there.

    Hidden files and folders, whose names begin with a dot, are passed over. A folder that is linked to from within
    itself is entered once.

    Raises:
        DataError: a folder that cannot be read, or images whose names are not UTF-8.
    """
    images, hidden, special = [], 0, 0
    others: Counter[str] = Counter()
    for name in _files(folder):
        path = PurePosixPath(name)
        if any(part.startswith(".") for part in path.parts):
            hidden += path.suffix.lower() in SUFFIXES and not path.name.startswith("._")  # ._: macOS's own
        elif path.suffix.lower() in SUFFIXES:
            if _may_be_read(folder / name):
                images.append(name)
            else:
                special += 1
        elif path.suffix.lower() not in _BESIDE:
            others[path.suffix.lower()] += 1
    problems = undecodable_names(images)
    if problems:
        raise DataError(problems)
    notes = []
    if others:
        counted = ", ".join(f"{count} {suffix}" for suffix, count in sorted(others.items()))
        notes.append(f"{others.total()} files in {folder} are of a kind that is not read: {counted}.")
    if special:
        notes.append(
            f"{special} named pipes, sockets or devices in {folder} have the name of an image; they are left out."
        )
    if hidden:
        notes.append(f"{hidden} hidden images in {folder} (a name in their path begins with a dot) are left out.")
    return Listing(sorted(images), tuple(notes))


def _may_be_read(path: Path) -> bool:
    """Return whether this is a file, or a link to nothing, which is told with the missing images.

    To open a named pipe waits for what is never written.
    """
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:  # what is wrong with it is told when it is read
        return True


def undecodable_names(names: Iterable[str]) -> list[Problem]:
    """Return the problem of names that cannot be written as UTF-8, as every record of a run is."""
    wrong = sorted(name for name in names if not _is_text(name))
    if not wrong:
        return []
    kind = "file names in another encoding than UTF-8, shown as if it were Latin-1; rename these files or folders"
    shown = (name.encode("utf-8", "surrogateescape").decode("latin-1") for name in wrong)
    return [
        Problem(
            kind,
            tuple(name.encode("unicode_escape").decode() if not name.isprintable() else name for name in shown),
        )
    ]


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def folders_in(folder: Path) -> list[Path]:
    """Return a folder and all below it where ``look_through`` finds images; what cannot be read is passed over."""
    return [Path(place) for place, _ in _walk(folder, onerror=None, hidden=False)]


def _files(folder: Path) -> Iterator[str]:
    """Yield all files below a folder as paths relative to it, links followed."""
    for place, files in _walk(folder, onerror=_unreadable):
        inside = Path(place).relative_to(folder)
        yield from ((inside / name).as_posix() for name in files)


def _walk(
    folder: Path, onerror: Callable[[OSError], None] | None, hidden: bool = True
) -> Iterator[tuple[str, list[str]]]:
    """Yield a folder and all below it, with the names of the files in each; links are followed.

    Args:
        folder: where to begin.
        onerror: is told of folders that cannot be read.
        hidden: whether folders whose names begin with a dot are entered.
    """
    above: dict[str, frozenset[str]] = {}  # real paths of each folder and of those that it is reached by
    for place, folders, files in os.walk(folder, onerror=onerror, followlinks=True):
        reached = above.pop(place, frozenset()) | {os.path.realpath(place)}
        inner = [os.path.join(place, name) for name in folders if hidden or not name.startswith(".")]
        entered = [path for path in inner if os.path.realpath(path) not in reached]
        folders[:] = [os.path.basename(path) for path in entered]
        above.update(dict.fromkeys(entered, reached))
        yield place, files


def _unreadable(error: OSError) -> None:
    kind = "a folder that cannot be read; give yourself the right to read it, or take it out"
    raise DataError([Problem(kind, (f"{error.filename}: {error.strerror}",))]) from error
