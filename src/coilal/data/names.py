"""File names as tables have them: other slashes, folders in front, another case; used where one file fits."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from coilal.common.types import Problem
from coilal.data.listing import SUFFIXES

_DRIVE = re.compile(r"[A-Za-z]:/|//")
_LABEL_STUDIO = re.compile(r"/data/upload/(?:\d+/)?(?:[0-9a-f]{8}-)?(?P<name>[^/]+)")
_LABEL_STUDIO_LOCAL = re.compile(r"/data/local-files/\?d=(?P<name>.+)")


@dataclass(frozen=True)
class FileNames:
    """The files that the names of a table mean.

    Attributes:
        names: files, relative to the folder of the images, in the order of the table; where none fits, as given.
        notes: how names that are not those of the files were read.
        problems: names that may mean another file than they say.
        unclear: those names.
    """

    names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    unclear: frozenset[str] = frozenset()


def files_meant(given: Sequence[str], folder: Path, there: Iterable[str]) -> FileNames:
    """Return the file that each name of a table means.

    A name that is not that of a file is read with slashes for backslashes, without ``./``, without the folder of
    the images in front, as Label Studio uploads files, in another case, or with the extension that is missing. A
    folder in front that is not that of the images is left out if that is so for all names that begin with it.

    Args:
        given: names (N), as they stand in the table; empty ones are passed over.
        folder: the folder of the images.
        there: the image files in it.
    """
    files = _Files(folder, tuple(there))
    wanted = [name for name in dict.fromkeys(given) if name and name not in files.exact]
    if not wanted:
        return FileNames(tuple(given))
    foreign = _foreign_folder([_plain(name) for name in wanted], files)
    meant: dict[str, str] = {}
    ways: dict[str, list[str]] = {}
    unclear: dict[str, list[str]] = {}
    for name in wanted:
        way, fits = files.find(name, foreign)
        if len(fits) == 1 and way:
            meant[name] = fits[0]
            ways.setdefault(way, []).append(name)
        elif fits:
            unclear[name] = fits
    notes = [
        f"{len(names)} file names of the table are read {way}: {names[0]} is {meant[names[0]]}."
        for way, names in ways.items()
    ]
    kind = (
        f"file names that are not in {folder} as they stand; write what is meant into the table, "
        "or set data.root to the folder that they are relative to"
    )
    places = tuple(f"{name}: {' or '.join(fits[:3])} would fit" for name, fits in unclear.items())
    return FileNames(
        names=tuple(meant.get(name, name) for name in given),
        notes=tuple(notes),
        problems=(Problem(kind, places),) if places else (),
        unclear=frozenset(unclear),
    )


def probable(name: str) -> str:
    """Return a name as a path with slashes, for a first look at where images lie."""
    return posixpath.normpath(_plain(name))


@dataclass
class _Files:
    """The image files of a folder, by what may be known of their names."""

    folder: Path
    files: Sequence[str]

    @cached_property
    def exact(self) -> set[str]:
        """Return the files."""
        return set(self.files)

    @cached_property
    def folded(self) -> dict[str, list[str]]:
        """Return the files of each name in any case and Unicode form."""
        return self._by(_fold)

    @cached_property
    def stems(self) -> dict[str, list[str]]:
        """Return the files of each such name without its extension."""
        return self._by(lambda name: _fold(posixpath.splitext(name)[0]))

    @cached_property
    def bases(self) -> dict[str, list[str]]:
        """Return the files of each such name without its folder."""
        return self._by(lambda name: _fold(posixpath.basename(name)))

    @cached_property
    def base_stems(self) -> dict[str, list[str]]:
        """Return the files of each such name without its folder and its extension."""
        return self._by(lambda name: _fold(posixpath.splitext(posixpath.basename(name))[0]))

    @cached_property
    def fronts(self) -> tuple[str, ...]:
        """Return the folder as absolute names begin with it, slash included: as it is named, and without links."""
        folders = self.folder.absolute(), self.folder.resolve()
        return tuple(f"{folder.as_posix().rstrip('/')}/" for folder in folders)

    def _by(self, key: Callable[[str], str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self.files:
            found.setdefault(key(name), []).append(name)
        return found

    def find(self, name: str, foreign: str) -> tuple[str, list[str]]:
        """Return how a name is read, "" if only another name would fit, and the files that fit."""
        path, way = _plain(name), "with slashes for backslashes" if "\\" in name else ""
        inside = self.inside(path) if path.startswith("/") else None
        if inside is not None:
            path, way = inside, "relative to the folder of the images"
        elif posixpath.normpath(path) not in self.exact and (self.folder / name).is_file():
            return "", []  # no image by its extension, or one that lies elsewhere, but it is what is meant
        elif foreign and path.startswith(foreign):
            path, way = path[len(foreign) :], f"without the {foreign} in front"
        else:
            for pattern in (_LABEL_STUDIO, _LABEL_STUDIO_LOCAL):
                uploaded = pattern.fullmatch(path)
                if uploaded:
                    path, way = self._uploaded(unquote(uploaded["name"]), path), "without what Label Studio adds"
        path = posixpath.normpath(path)
        if path in self.exact or (inside is not None and (self.folder / path).is_file()):
            return way or "without ./ and the like", [path]
        for index, how in ((self.folded, "in another case or Unicode form"), (self.stems, "with its extension")):
            found = index.get(_fold(path), [])
            if found:
                return f"{way}, {how}" if way else how, found
        return "", self._would_fit(path)

    def inside(self, path: str) -> str | None:
        """Return an absolute path relative to the folder of the images, or None if it lies elsewhere."""
        place = posixpath.normpath(path)
        front = next((front for front in self.fronts if f"{place}/".startswith(front)), None)
        return None if front is None else place[len(front) :]

    def _uploaded(self, name: str, path: str) -> str:
        """Return the file of an upload, which may have kept what Label Studio puts in front of its name."""
        kept = posixpath.basename(path)
        return kept if kept in self.exact else name

    def _would_fit(self, path: str) -> list[str]:
        """Return the files of that name in another folder, with another extension, or both."""
        parts = path.split("/")
        for start in range(1, len(parts)):
            found = self.folded.get(_fold("/".join(parts[start:])), [])
            if found:
                return found
        stem, suffix = posixpath.splitext(_fold(path))
        other = self.stems.get(stem, []) if suffix in SUFFIXES else []
        elsewhere = self.base_stems.get(posixpath.basename(stem), []) if suffix in SUFFIXES else []
        return other or self.bases.get(_fold(parts[-1]), []) or elsewhere


def _plain(name: str) -> str:
    return name.replace("\\", "/")


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _foreign_folder(names: Sequence[str], files: _Files) -> str:
    """Return the folder, with a slash, that stands in front of all absolute names from elsewhere, or "".

    Without it each of them must be a file of this folder, and no two the same.
    """
    absolute = [
        name
        for name in names
        if (_DRIVE.match(name) or name.startswith("/"))
        and not name.startswith(("/data/upload/", "/data/local-files/"))
        and files.inside(name) is None
        and not Path(name).is_file()
    ]
    if not absolute:
        return ""
    folders = [name.split("/")[:-1] for name in absolute]
    length = min(map(len, folders))
    common = next((k for k in range(length) if len({folder[k] for folder in folders}) > 1), length)
    for parts in range(common, 0, -1):
        front = "/".join(folders[0][:parts]) + "/"
        if all(posixpath.normpath(name[len(front) :]) in files.exact for name in absolute):
            return front
    return ""
