"""Which known image a file of another tool means: by its name, by the end of a path or an address."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from urllib.parse import unquote

_LOCAL_FILE = re.compile(r"/data/local-files/\?(?:.*&)?d=(?P<path>.+)", re.DOTALL)
_UPLOAD = re.compile(r"(?:^|/)upload/(?:\d+/)?(?P<base>[^/]+)$")
_UPLOAD_HASH = re.compile(r"[0-9a-f]{8}-(?=.)")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|/data/")


class KnownImages:
    """The images that may be named.

    Args:
        names: paths with slashes, relative to the folder of the images.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)

    def find(self, text: str) -> tuple[str, ...]:
        """Return the images that a text may mean, sorted: one if it is clear, none if there is no such image.

        A name as it stands comes first. Else it may be an address or a path that ends with the name, or the end of
        the name; in another case or Unicode form where nothing else fits. Files that were uploaded to Label Studio
        are found by what it makes of their names.
        """
        paths = list(dict.fromkeys(_paths(text)))
        for path in paths:
            if path in self._names:
                return (path,)
        for ends in (self._ends, self._folded_ends):
            if found := {name for path in paths for name in ends.of(path)}:
                return tuple(sorted(found))
        return tuple(sorted({name for path in paths for name in self._uploaded(path)}))

    def like(self, text: str) -> tuple[str, ...]:
        """Return images of the same file name in another folder, sorted."""
        bases = {_folded(posixpath.basename(path)) for path in _paths(text)}
        return tuple(sorted({name for base in bases for name in self._folded_ends.ending(base)}))

    def _uploaded(self, path: str) -> Iterator[str]:
        found = _UPLOAD.search(path)
        if found is None:
            return
        for base in {found["base"], _UPLOAD_HASH.sub("", found["base"], count=1)}:
            yield from self._by_upload.get(base, ())

    @cached_property
    def _ends(self) -> _Ends:
        return _Ends(self._names, lambda name: name)

    @cached_property
    def _folded_ends(self) -> _Ends:
        return _Ends(self._names, _folded)

    @cached_property
    def _by_upload(self) -> Mapping[str, list[str]]:
        """Return the images of each file name as Label Studio stores it (without the hash in front)."""
        found: dict[str, list[str]] = {}
        for name in self._names:
            found.setdefault(_as_uploaded(posixpath.basename(name)), []).append(name)
        return found


class _Ends:
    """Names by their ends: the whole name, without the first folder, without the second, ….

    Args:
        names: paths with slashes.
        key: what names that count as equal have in common.
    """

    def __init__(self, names: Iterable[str], key: Callable[[str], str]) -> None:
        self._key = key
        self._whole: dict[str, list[str]] = {}
        self._shorter: dict[str, list[str]] = {}
        for name in names:
            whole, *shorter = _tails(key(name))
            self._whole.setdefault(whole, []).append(name)
            for tail in shorter:
                self._shorter.setdefault(tail, []).append(name)

    def of(self, path: str) -> Iterator[str]:
        """Yield the names that a path ends with, and those that end with the path."""
        whole = self._key(path)
        for tail in _tails(whole):
            yield from self._whole.get(tail, ())
        yield from self._shorter.get(whole, ())

    def ending(self, end: str) -> Iterator[str]:
        """Yield the names that end with this, folders in front or not."""
        yield from self._whole.get(end, ())
        yield from self._shorter.get(end, ())


def _tails(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[start:]) for start in range(len(parts)))


def _paths(text: str) -> Iterator[str]:
    """Yield the paths that a text may be, the most literal one first."""
    plain = text.replace("\\", "/")
    yield text
    yield posixpath.normpath(plain)
    if local := _LOCAL_FILE.search(plain):
        yield posixpath.normpath(unquote(local["path"]))
        yield posixpath.normpath(local["path"])
    elif _ADDRESS.match(plain):
        yield posixpath.normpath(unquote(re.split(r"[?#]", plain, maxsplit=1)[0]))
        yield posixpath.normpath(unquote(plain))


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _as_uploaded(base: str) -> str:
    """Return a file name as Django, and so Label Studio, stores an upload: `Coil 1 (2).png` is `Coil_1_2.png`."""
    return "".join(char for char in base.strip().replace(" ", "_") if char.isalnum() or char in "-_.")
