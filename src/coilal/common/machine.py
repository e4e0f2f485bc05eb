"""What the machine refuses (room, rights, locks, a home), said in one sentence: where, why, and the way out.

Quick to import: launchers and ``coilal.status`` import it, too.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from coilal.common.types import UserError

log = logging.getLogger(__name__)

FREE = "free some space"
AGAIN = "Then give the same command again."

# What the system says → what it means and what to do. Other errors keep their traceback: they may be ours.
MEANINGS = {
    errno.ENOSPC: f"the disk is full; {FREE}",
    errno.EDQUOT: f"your quota of this disk is used up; {FREE}",
    errno.EFBIG: "a file may not become as large as that here (ulimit -f)",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENAMETOOLONG: "the name is too long for this file system",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
    errno.EISDIR: "this is a folder, and a file is needed",
    errno.EIO: "the disk or its connection fails (input/output error)",
    errno.ESTALE: "the connection to the disk was lost (stale file handle)",
    errno.EMFILE: "too many open files; allow more with `ulimit -n`",
    errno.ENFILE: "the whole machine has too many open files",
}
# The same for SQLite, in which Optuna keeps its trials. https://www.sqlite.org/rescode.html
SQLITE_MEANINGS = {
    sqlite3.SQLITE_FULL: MEANINGS[errno.ENOSPC],
    sqlite3.SQLITE_READONLY: "it cannot be written; permission denied, or the file system is read-only",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; permission denied, or there is no such folder",
    sqlite3.SQLITE_IOERR: "the disk or its connection fails, or its file system has no locks",
    sqlite3.SQLITE_PROTOCOL: "its file system has no locks that work",
}


def meaning(error: BaseException) -> str | None:
    """Return what an error of the system means, None for one that is not the machine's."""
    if isinstance(error, sqlite3.Error):
        # The lowest byte is the primary code. Errors of the sqlite3 module itself have none.
        found = SQLITE_MEANINGS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        return f"the database of the search: {found}" if found else None
    if not isinstance(error, OSError) or error.errno is None:
        return None
    return MEANINGS.get(error.errno)


def refusal(error: BaseException, where: Path | None = None) -> UserError | None:
    """Return an error of the system as one that the user can mend, None for one that is not the machine's.

    Args:
        error: what was raised.
        where: the file or folder, if the error does not name it.
    """
    what = meaning(error)
    if what is None:
        return None
    named = getattr(error, "filename", None)
    place = where or (os.fsdecode(named) if isinstance(named, str | bytes) else None)
    advice = f" {AGAIN}" if what.endswith(FREE) else ""
    return UserError(f"{place}: {what}.{advice}" if place else f"{what}.{advice}")


def lacks_room(error: BaseException) -> bool:
    """Return whether an error, or what it followed from, says that a disk or a quota is full."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Tell what the machine refuses while ``path`` is written.

    Raises:
        UserError: there is no room, no permission, … .
    """
    try:
        yield
    except OSError as error:
        told = refusal(error, path)
        if told is None:
            raise
        raise told from error


def wait_for_name(path: Path) -> None:
    """Wait until the name of a file that was made or renamed is on the disk, as ``os.fsync`` does for content."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems have no such thing
            raise
    finally:
        os.close(folder)


def ensure_writable(folder: Path, way_out: str, locks: bool = False) -> None:
    """Refuse a folder in which no file can be made, before work is spent; leaves nothing behind.

    Args:
        folder: where files will be written; it need not exist.
        way_out: what the user can do, a sentence.
        locks: whether files must be locked there, too.

    Raises:
        UserError: it cannot be made or written, or has no locks.
    """
    place = f"{folder}"
    try:
        existing = _existing(folder)
        if existing != folder:
            place += f" (in {existing.absolute()})"
        with tempfile.TemporaryFile("w+b", dir=existing) as probe:  # without a name, gone whatever happens
            probe.write(b"room?")
            probe.flush()
            if locks:
                _ensure_locks(probe.fileno(), existing, way_out)
    except OSError as error:
        raise UserError(f"{place} cannot be written: {_why(error)}. {way_out}") from error
    except UnicodeEncodeError as error:
        raise UserError(
            f"{folder!s:.200} cannot be made: the encoding of this system's file names ({error.encoding}) lacks "
            f"characters of it. Set LC_ALL=C.UTF-8, or choose another name. {way_out}"
        ) from error


def acquired(file: Path, way_out: str, timeout: float = -1) -> FileLock:
    """Return the acquired lock ``file``; the system releases it when the process ends, also by a kill.

    There is no falling back to files that merely exist where a file system has no locks: a kill leaves them
    behind, and nobody could tell such a lock from one that is held.

    Args:
        file: of the lock; its folder must exist.
        way_out: what the user can do where locking is impossible, a sentence.
        timeout: seconds to wait for another process; negative: without end.

    Raises:
        Timeout: another process holds it.
        UserError: the file system has no locks, or the file cannot be written.
    """
    lock = FileLock(file, fallback_to_soft=False)
    try:
        lock.acquire(timeout=timeout)
    except Timeout:
        raise
    except OSError as error:
        if error.errno in MEANINGS:
            raise UserError(f"{file} cannot be locked: {_why(error)}. {way_out}") from error
        raise _no_locks(file.parent, error, way_out) from error
    return lock


def expanded(path: str, setting: str, otherwise: str = "set HOME") -> Path:
    """Return a path with ``~`` replaced by the user's home.

    Args:
        path: as given.
        setting: where it was given.
        otherwise: what else can be done, a clause.

    Raises:
        UserError: it begins with ``~``, and this user has no home (a container with an unknown user).
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UserError(
            f"{setting}={path} names a home, and user {os.getuid()} of this machine has none (HOME is not set). "
            f"Give a folder without ~ with {setting}=FOLDER, or {otherwise}."
        ) from error


def cache_folder(path: str) -> Path:
    """Return the cache folder that ``cache.dir`` names.

    Raises:
        UserError: it lies in a home that this user does not have.
    """
    return expanded(path, "cache.dir", "set COILAL_CACHE or HOME")


def house_libraries(cache: Path) -> None:
    """Let libraries keep their files in the cache folder where this user has no home that can be written.

    Without it matplotlib finds all fonts anew in each process, and the hub's library makes a folder named ``~``.
    What the environment says already, stays.

    Args:
        cache: the cache folder; where it cannot be made either, nothing is done: whoever needs it says so.
    """
    home = Path(os.path.expanduser("~"))
    known = home.is_absolute()
    if known and os.access(next(place for place in (home, *home.parents) if place.exists()), os.W_OK):
        return
    folder = cache / "libraries"
    variables = {"MPLCONFIGDIR": "matplotlib", "TORCHINDUCTOR_CACHE_DIR": "torch"}
    if not known:  # a home that can only be read may hold downloaded weights
        variables |= {"HF_HOME": "huggingface"}
    absent = [variable for variable in variables if variable not in os.environ]
    try:
        for variable in absent:
            (folder / variables[variable]).mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    os.environ.update({variable: str((folder / variables[variable]).absolute()) for variable in absent})
    if absent:
        log.info("there is no home that can be written, so libraries keep their files in %s", folder)


def tell_of_threads() -> None:
    """Say what the machine refused a thread of a library (TensorBoard writes in one) without a traceback."""
    original = threading.excepthook

    def hook(arguments: threading.ExceptHookArgs) -> None:
        told = arguments.exc_value and refusal(arguments.exc_value)
        if told is None:
            original(arguments)
        else:
            print(f"error: {told}", file=sys.stderr, flush=True)

    threading.excepthook = hook


def _existing(folder: Path) -> Path:
    """Return the folder or the nearest one above it that exists, if the rest can be made in it."""
    missing: list[str] = []
    for place in (folder, *folder.parents):
        if os.path.lexists(place):
            if not place.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, f"{place} is not a folder")
            longest = os.pathconf(place, "PC_NAME_MAX")
            if any(len(os.fsencode(name)) > longest for name in missing):
                raise OSError(errno.ENAMETOOLONG, f"a name in it has more than {longest} bytes")
            return place
        missing.append(place.name)
    return folder  # the current folder was removed; the file that is tried says so


def _ensure_locks(descriptor: int, folder: Path, way_out: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise _no_locks(folder, error, way_out) from error


def _no_locks(folder: Path, error: OSError, way_out: str) -> UserError:
    return UserError(
        f"the file system of {folder.absolute()} has no locks ({error.strerror}), which keep two processes from "
        f"writing the same files; local disks have them. {way_out}"
    )


def _why(error: OSError) -> str:
    if error.errno in (errno.ENOTDIR, errno.ENAMETOOLONG) and error.filename is None:
        return str(error.strerror)
    return MEANINGS.get(error.errno or 0) or str(error.strerror or error)
