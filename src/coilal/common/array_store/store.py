"""Opening a stored array, checked; building it first, once for all processes, where it is not there."""

from __future__ import annotations

import functools
import logging
import random
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
from filelock import Timeout

from coilal.common import machine
from coilal.common.array_store.build import Array, Target, build_rows, keep_committed
from coilal.common.array_store.disk_space import ensure_room
from coilal.common.array_store.record import Chunk, is_sound, read_record, spans
from coilal.common.types import UserError

log = logging.getLogger(__name__)

# A file up to this size is read and compared with its checksums when a process first opens it (about a second);
# of a larger one, as many chunks as make up this size, drawn at random, besides the first and the last.
CHECKED_BYTES = 1 << 30

WAY_OUT = "Give another folder with cache.dir=FOLDER (or COILAL_CACHE)."

_waits: list[float] = []  # seconds each


def seconds_waited() -> float:
    """Return how long this process has waited, all in all, for other processes to make an array."""
    return sum(_waits)


def open_or_build(target: Target, rows: Callable[[int], Generator[Array]], max_gb: float | None = None) -> Array:
    """Return an array, memory-mapped, building it first if it is not there.

    Of several processes that ask at once, one builds and the others wait; a killed builder's lock is released
    by the system, and the next one goes on where it was, at most ``COMMIT_S`` seconds back (see
    ``build``). The array appears under its final name only when it is complete. Size and header are
    checked at each opening, the content (see ``CHECKED_BYTES``) at the first one in a process; a damaged file is
    made again, with a warning. Where the array is complete, nothing is written, so the folder may be read-only.

    Args:
        target: the array in ``<cache>/<kind>/<name>.npy``; the name stands for everything that determines its
            content.
        rows: (first row) → blocks of successive rows from there to the end; closed if they cannot be stored. A
            UserError that it raises removes what is built, because the same rows would raise it again.
        max_gb: most gigabytes that the whole cache may take; None for what the disk holds.

    Raises:
        UserError: disk or cache cannot hold the array, or it is not there and the folder is read-only.
    """
    fault = _fault(target)
    if fault is None and (array := _mapped(target.path)) is not None:
        return array
    _ensure_writable(target.path, fault or "not there")
    with _locked(target.path):  # until it is mapped: nobody removes it meanwhile
        _build_if_needed(target, rows, max_gb)
        array = _mapped(target.path)
    assert array is not None
    return array


def ensure_room_for_all(targets: Sequence[Target], max_gb: float | None) -> None:
    """Refuse before the first of several arrays is built what could not hold the last.

    Args:
        targets: arrays in one folder; only those that are not there need room.
        max_gb: as above.

    Raises:
        UserError: there is too little room, or the folder is read-only.
    """
    absent = [target for target in targets if not target.path.exists()]
    if absent:
        _ensure_writable(absent[0].path, "not there")
        ensure_room(absent, max_gb)


def open_stored(path: Path) -> Array | None:
    """Return the array in ``path``, memory-mapped, whatever its shape and type; None if it is absent or damaged.

    It is checked as by ``open_or_build``. This function neither tells what is wrong with a damaged file nor mends
    it; ``open_or_build`` does both.

    Args:
        path: its ``.npy`` file.
    """
    record = read_record(path.with_suffix(".json"))
    if record is None:
        return None
    try:
        target = Target(path, record.shape, np.dtype(record.dtype), record.about)
    except TypeError:  # a damaged record
        return None
    return open_sound(target)


def open_sound(target: Target, in_every_byte: bool = False) -> Array | None:
    """Return the array, memory-mapped; None if it is absent, damaged, or of another shape or type.

    Args:
        target: the array.
        in_every_byte: whether the whole of a large file is compared with its checksums, not a part of it.
    """
    if _fault(target) or (in_every_byte and not _is_whole(target)):
        return None
    return _mapped(target.path)


def _is_whole(target: Target) -> bool:
    record = read_record(target.record)
    with target.path.open("rb") as stream:
        return record is not None and all(is_sound(stream, *each) for each in spans(record.chunks))


def _mapped(path: Path) -> Array | None:
    """Return the array, None if another process has found it damaged since, and removed it."""
    try:
        array: Array = np.load(path, mmap_mode="r")
    except FileNotFoundError:
        return None
    return array


def _build_if_needed(target: Target, rows: Callable[[int], Generator[Array]], max_gb: float | None) -> None:
    fault = _fault(target)
    if fault is None:  # another process has built it meanwhile
        return
    if target.path.exists():
        log.warning("the stored array %s is damaged (%s); it is made again", target.path, fault)
    chunks = keep_committed(target)
    ensure_room([target], max_gb)
    target.path.unlink(missing_ok=True)  # its room may be needed
    if chunks:
        log.info("%s: going on after %.1f of %.1f MB", target.path, target.written / 1e6, target.size / 1e6)
    try:
        build_rows(target, chunks, rows)
    except OSError as error:
        told = machine.refusal(error, target.path.parent)
        if told is None:
            raise
        raise UserError(f"{told} {WAY_OUT}") from error


def _fault(target: Target) -> str | None:
    """Return what is wrong with the stored array, None if it can be used."""
    try:
        return _examined(target)
    except FileNotFoundError:  # from the start, or another process has removed it meanwhile
        return "not there"


def _examined(target: Target) -> str | None:
    status = target.path.stat()
    record = read_record(target.record)
    if record is None:
        return f"no record of its checksums in {target.record.name}"
    if not status.st_size == record.size == target.size:
        return f"{status.st_size} bytes instead of {target.size}"
    with target.path.open("rb") as stream:
        if stream.read(len(target.header)) != target.header:
            return "its header is not that of the expected array"
    return _damaged_chunk(target.path, record.chunks, status.st_ino, status.st_mtime_ns)


class _DamagedError(Exception):
    """Content that differs from its checksum; says which."""


def _damaged_chunk(path: Path, chunks: tuple[Chunk, ...], inode: int, changed: int) -> str | None:
    """Compare content and checksums, once per process for an unchanged file that is sound.

    What is damaged is not remembered: the file that replaces it may have its number, and in the same tick of the
    clock its time.
    """
    try:
        _ensure_sound(path, chunks, inode, changed)
    except _DamagedError as error:
        return str(error)
    return None


@functools.lru_cache(maxsize=256)
def _ensure_sound(path: Path, chunks: tuple[Chunk, ...], _inode: int, _changed: int) -> None:
    with path.open("rb") as stream:
        for start, chunk in _checked(chunks):
            if not is_sound(stream, start, chunk):
                raise _DamagedError(f"bytes {start} to {chunk.end} differ from their checksum")


def _checked(chunks: tuple[Chunk, ...]) -> list[tuple[int, Chunk]]:
    every = list(spans(chunks))
    size = chunks[-1].end
    if size <= CHECKED_BYTES:
        return every
    inner = every[1:-1]
    return [every[0], every[-1], *random.Random().sample(inner, int(len(inner) * CHECKED_BYTES / size))]


def _ensure_writable(path: Path, fault: str) -> None:
    """Make the folder; refuse one that cannot be written, because the array would have to be built there."""
    try:
        machine.ensure_writable(path.parent, WAY_OUT, locks=True)
    except UserError as error:
        raise UserError(
            f"the stored array {path} cannot be used ({fault}) and cannot be made: {error} Or run the same "
            "settings once where this folder can be written."
        ) from error
    with machine.writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)


def _locked(path: Path) -> AbstractContextManager[None]:
    return in_turn(path.with_suffix(".lock"), f"another process is making {path}")


@contextmanager
def in_turn(file: Path, occupied: str, way_out: str = WAY_OUT) -> Iterator[None]:
    """Do what only one process may do at a time; the system gives the turn of a killed process to the next.

    Args:
        file: of the lock.
        occupied: what is said if it is another one's turn, before waiting for it.
        way_out: what the user can do where locking is impossible, a sentence.
    """
    try:
        lock = machine.acquired(file, way_out, timeout=0)
    except Timeout:
        log.info("%s; waiting for it", occupied)
        start = time.monotonic()
        lock = machine.acquired(file, way_out)
        _waits.append(time.monotonic() - start)
    try:
        yield
    finally:
        lock.release()
