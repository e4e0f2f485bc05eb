"""Arrays of which most rows lie in another one already: a few images are added to a folder of many."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coilal.common.array_store.build import Array, Target
from coilal.common.array_store.record import unfinished
from coilal.common.array_store.store import open_or_build, open_sound
from coilal.common.unreadable import UNREADABLE

log = logging.getLogger(__name__)

Ids = NDArray[np.int64]
Keys = NDArray[np.uint64]

_BLOCK_BYTES = 1 << 24


@dataclass(frozen=True)
class Content:
    """What determines the rows of an array, each by itself.

    Attributes:
        kind: hex digest of what they have in common: rows of two arrays of one kind are equal if their keys are.
        keys: gives a hash of what each row is made from, (N); called where the array is made, or kept in mind.
    """

    kind: str
    keys: Callable[[], Keys]

    def file(self, array: Path) -> Path:
        """Return where the keys of an array are kept."""
        return array.with_name(f"{self.kind[:16]}-{array.stem}.keys")

    def arrays(self, folder: Path) -> Iterator[tuple[Path, Keys]]:
        """Yield the arrays of this kind in a folder, with their keys."""
        prefix = f"{self.kind[:16]}-"
        for file in sorted(folder.glob(f"{prefix}*.keys")):
            if (keys := _kept(file)) is not None:
                yield file.with_name(f"{file.stem.removeprefix(prefix)}.npy"), keys


def open_or_extend(
    target: Target, content: Content, rows: Callable[[Ids], Generator[Array]], max_gb: float | None = None
) -> Array:
    """Return an array as ``open_or_build`` does; rows that another array of its kind holds are copied from there.

    Args:
        target: the array (N, …).
        content: what determines its rows.
        rows: (ids of rows, ascending) → their blocks, in this order; not called for none.
        max_gb: as for ``open_or_build``.

    Raises:
        UserError: as ``open_or_build``.
    """
    array = open_or_build(target, lambda start: _rows(target, content, rows, start), max_gb)
    if _kept(content.file(target.path)) is None:
        with suppress(OSError):  # a folder that is read-only: the array serves, it is only not copied from
            _keep(content.file(target.path), content.keys())
    return array


def _kept(file: Path) -> Keys | None:
    """Return the keys that are kept of an array; None where there are none, or they are damaged."""
    try:
        keys: Keys = np.load(file)
    except UNREADABLE:
        return None
    return keys if isinstance(keys, np.ndarray) and keys.dtype == np.uint64 and keys.ndim == 1 else None


def _keep(file: Path, keys: Keys) -> None:
    with unfinished(file).open("wb") as stream:
        np.save(stream, keys)
    os.replace(unfinished(file), file)


def _rows(
    target: Target, content: Content, rows: Callable[[Ids], Generator[Array]], start: int
) -> Generator[Array]:
    """Yield the blocks from row ``start`` on, those that are known and those that are made, in order."""
    known, place = _nearest(target, content)
    missing = np.flatnonzero(place < 0)
    missing = missing[missing >= start]
    total = target.shape[0]
    if known is None:
        yield from rows(missing)
        return
    copied = total - start - len(missing)
    log.info("%s: %d rows of %d are copied from what was stored before", target.about, copied, total)
    step = max(1, _BLOCK_BYTES // target.row_bytes)
    with closing(rows(missing) if len(missing) else _none()) as made:
        done = 0
        for block in made:  # each goes on at once, for rows may take minutes to make, and a kill loses what waits
            done += len(block)
            end = int(missing[done - 1]) + 1
            yield from _joined(known, place[start:end], block, step)
            start = end
        yield from _joined(known, place[start:], np.empty((0, *target.shape[1:]), target.dtype), step)


def _joined(known: Array, place: Ids, made: Array, step: int) -> Generator[Array]:
    """Yield rows, some at a time: those that have a place from there, the others in the order they were made in."""
    for first in range(0, len(place), step):
        here = place[first : first + step]
        is_known = here >= 0
        block = np.empty((len(here), *known.shape[1:]), known.dtype)
        block[is_known] = known[here[is_known]]
        wanted = int(np.count_nonzero(~is_known))
        block[~is_known], made = made[:wanted], made[wanted:]
        yield block


def _none() -> Generator[Array]:
    yield from ()


def _nearest(target: Target, content: Content) -> tuple[Array | None, Ids]:
    """Return the sound array that has the most of the rows, if there is one, and where each row is there, or −1."""
    keys = content.keys()
    found = []
    for path, theirs in content.arrays(target.path.parent):
        if path != target.path and (shared := int(np.isin(keys, theirs).sum())):
            found.append((shared, path, theirs))
    for _, path, theirs in sorted(found, key=lambda each: -each[0]):
        with suppress(OSError):  # of another user, or on a disk that fails: its rows are made again
            other = Target(path, (len(theirs), *target.shape[1:]), target.dtype)
            if (array := open_sound(other, in_every_byte=True)) is not None:  # a copy has a checksum of its own
                return array, _places(keys, theirs)
    return None, np.full(len(keys), -1, dtype=np.int64)


def _places(keys: Keys, theirs: Keys) -> Ids:
    """Return where each of these keys is among theirs, −1 where it is not."""
    order = np.argsort(theirs, kind="stable")
    at = np.minimum(np.searchsorted(theirs, keys, sorter=order), len(theirs) - 1)
    return np.where(theirs[order[at]] == keys, order[at], -1).astype(np.int64)
