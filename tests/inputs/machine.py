"""What the machine refuses: folders, disks, locks, homes, terminals."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Generator
from pathlib import Path
from unittest import mock

import numpy as np

from coilal.common import machine
from coilal.common.array_store import Target, open_or_build
from coilal.common.output import secure
from coilal.run_directory.files import ensure_writable, lock, write_atomically
from tests.inputs.case import Case

TITLE = "The machine"
PLACE = 70


def _a_file_in_the_way(folder: Path) -> str:
    (folder / "outputs").write_text("")
    ensure_writable(folder / "outputs" / "study")
    return ""


def _a_long_name(folder: Path) -> str:
    ensure_writable(folder / "outputs" / ("s" * 300))
    return ""


def _refusing(number: int, folder: Path) -> str:
    with mock.patch("tempfile.TemporaryFile", side_effect=OSError(number, os.strerror(number))):
        ensure_writable(folder / "outputs" / "study")
    return ""


def _full_later(number: int, folder: Path) -> str:
    with mock.patch("os.fsync", side_effect=OSError(number, os.strerror(number))):
        write_atomically(folder / "state.json", "{}")
    return ""


def _no_locks(folder: Path) -> str:
    with mock.patch.object(fcntl, "flock", side_effect=OSError(errno.ENOLCK, "No locks available")):
        lock(folder)
    return ""


def _cache_without_locks(folder: Path) -> str:
    file = folder / "cache" / "images" / "a.npy"
    with mock.patch.object(fcntl, "flock", side_effect=OSError(errno.ENOLCK, "No locks available")):
        open_or_build(Target(file, (1,), np.dtype(np.uint8)), _zeros)
    return ""


def _zeros(_start: int) -> Generator[np.ndarray]:
    yield np.zeros(1, np.uint8)


def _no_home(_folder: Path) -> str:
    with mock.patch.object(Path, "expanduser", side_effect=RuntimeError("Could not determine home directory.")):
        machine.cache_folder("~/.cache/coilal")
    return ""


def _plain(text: str) -> str:
    secure()  # makes the error handler known; the streams of a test are left alone
    return text.encode("ascii", "coilal.plain").decode()


CASES: list[Case] = [
    Case("`outputs` is a file", "refused", "outputs is not a folder", _a_file_in_the_way),
    Case("a study's name of 300 characters", "refused", "a name in it has more than 255 bytes", _a_long_name),
    Case(
        "a folder that this user may not write",
        "refused",
        "permission denied. Give another folder with outputs=FOLDER",
        lambda folder: _refusing(errno.EACCES, folder),
    ),
    Case(
        "a read-only file system",
        "refused",
        "the file system is read-only",
        lambda folder: _refusing(errno.EROFS, folder),
    ),
    Case(
        "a disk that is full at the start",
        "refused",
        "the disk is full; free some space",
        lambda folder: _refusing(errno.ENOSPC, folder),
    ),
    Case(
        "a disk that becomes full in a run",
        "refused",
        "the disk is full; free some space. Then give the same command again",
        lambda folder: _full_later(errno.ENOSPC, folder),
    ),
    Case(
        "a quota that is used up in a run",
        "refused",
        "your quota of this disk is used up; free some space",
        lambda folder: _full_later(errno.EDQUOT, folder),
    ),
    Case(
        "`outputs` on a file system without locks", "refused", "Give another folder with outputs=FOLDER", _no_locks
    ),
    Case("a cache on a file system without locks", "refused", "with cache.dir=FOLDER", _cache_without_locks),
    Case(
        "a user without a home (a container)",
        "refused",
        "or set COILAL_CACHE or HOME",
        _no_home,
    ),
    Case(
        "a terminal that lacks characters (`LC_ALL=C`)",
        "read",
        "prufung\\u0308 - 3 x 4 ...",
        lambda _: _plain("prufung\u0308 · 3 × 4 …"),
    ),
]
