"""Building an array file under a hidden name, row by row, so that a kill loses little."""

from __future__ import annotations

import io
import os
import time
import zlib
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from coilal.common.array_store.record import Chunk, Record, is_sound, read_record, spans, unfinished
from coilal.common.types import UserError

Array = NDArray[Any]

# A chunk of rows is committed after this time or size, whichever comes first: what a kill may cost, and what
# is checked at once.
COMMIT_S, COMMIT_BYTES = 30.0, 1 << 28


@dataclass(frozen=True)
class Target:
    """An array that is to be built.

    Attributes:
        path: its final ``.npy`` file, next to which the record and the unfinished file lie.
        shape: its shape.
        dtype: its type.
        about: what it holds, for people.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    about: str = ""

    @property
    def record(self) -> Path:
        """Return the file of the record."""
        return self.path.with_suffix(".json")

    @property
    def partial(self) -> Path:
        """Return the unfinished file."""
        return unfinished(self.path)

    @property
    def progress(self) -> Path:
        """Return the record of what is committed of the unfinished file."""
        return self.record.with_name(f".{self.record.name}.progress")

    @property
    def header(self) -> bytes:
        """Return the first bytes of the file."""
        stream = io.BytesIO()
        description = np.lib.format.dtype_to_descr(self.dtype)
        content = {"descr": description, "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(stream, content)
        return stream.getvalue()

    @property
    def row_bytes(self) -> int:
        """Return the bytes of one row."""
        return int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize

    @property
    def size(self) -> int:
        """Return the bytes of the whole file."""
        return len(self.header) + self.shape[0] * self.row_bytes

    def described(self, chunks: tuple[Chunk, ...]) -> Record:
        """Return the record of a file with these chunks."""
        return Record(self.about, self.shape, str(self.dtype), chunks)

    def publish(self, chunks: tuple[Chunk, ...]) -> None:
        """Give the finished file its final name, the record first."""
        self.described(chunks).write(self.record)
        os.replace(self.partial, self.path)
        self.progress.unlink(missing_ok=True)

    @property
    def written(self) -> int:
        """Return the bytes that the unfinished file takes."""
        return _size(self.partial)

    @property
    def replaced(self) -> int:
        """Return the bytes of a damaged array, which goes before this one is built."""
        return _size(self.path)

    def discard(self) -> None:
        """Remove what an interrupted build has left."""
        for file in (self.partial, self.progress, unfinished(self.progress)):
            file.unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def build_rows(target: Target, chunks: list[Chunk], rows: Callable[[int], Generator[Array]]) -> None:
    """Build an array from blocks of successive rows, going on where an interrupted build has stopped.

    Args:
        target: what is built.
        chunks: what ``keep_committed`` has kept of it.
        rows: (first row) → the blocks from there to the end; a UserError that it raises ends the build for good,
            because the same rows would raise it again.
    """
    start = (chunks[-1].end - len(target.header)) // target.row_bytes if chunks else 0
    try:
        with target.partial.open("r+b" if chunks else "w+b") as stream, _Writer(target, stream, chunks) as writer:
            with closing(rows(start)) as blocks:  # at once, also if a block cannot be written
                for block in blocks:
                    content = np.ascontiguousarray(block, dtype=target.dtype)
                    writer.write(content.reshape(-1).view(np.uint8).data)
            writer.commit()
    except UserError:
        target.discard()
        raise
    if writer.end != target.size:
        raise RuntimeError(f"{writer.end} bytes were written for {target.path}, not {target.size}")
    target.publish(tuple(writer.chunks))


def keep_committed(target: Target) -> list[Chunk]:
    """Return the leading chunks of an interrupted build that are sound; remove the rest of it, which takes room."""
    chunks = _committed(target)
    if chunks:
        os.truncate(target.partial, chunks[-1].end)
    else:
        target.discard()
    return chunks


def _committed(target: Target) -> list[Chunk]:
    record = read_record(target.progress)
    if record is None or not target.partial.exists():
        return []
    sound = []
    with target.partial.open("rb") as stream:
        if stream.read(len(target.header)) != target.header:  # of another version of numpy
            return []
        for start, chunk in spans(record.chunks):
            if not is_sound(stream, start, chunk):
                break
            sound.append(chunk)
    return sound


class _Writer:
    """Appends to the unfinished file; what is committed is on the disk and in the progress record.

    One more thread computes checksums while the content is written, another waits for the disk while the next rows
    are made: large outputs of a GPU come as fast as a disk takes them.
    """

    def __init__(self, target: Target, stream: IO[bytes], chunks: list[Chunk]) -> None:
        self.target, self.stream, self.chunks = target, stream, list(chunks)
        self.end = self._begun = chunks[-1].end if chunks else 0
        self._crc, self._since = 0, time.monotonic()
        self._threads = ThreadPoolExecutor(max_workers=2)
        self._committing: Future[None] | None = None
        stream.seek(self.end)
        if not chunks:
            self._append(target.header)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()

    def write(self, content: memoryview) -> None:
        """Append some rows; commit what has gathered if it is time to."""
        self._append(content)
        if time.monotonic() - self._since >= COMMIT_S:
            self.commit()
        elif self.end - self._begun >= COMMIT_BYTES:
            self._begin_to_commit()

    def commit(self) -> None:
        """Close the current chunk, and wait until it is committed."""
        self._begin_to_commit()
        self._wait()

    def _begin_to_commit(self) -> None:
        self._wait()
        if self.end > self._begun:
            self.stream.flush()
            self.chunks.append(Chunk(self.end, self._crc))
            self._committing = self._threads.submit(self._commit, tuple(self.chunks))
        self._begun, self._crc, self._since = self.end, 0, time.monotonic()

    def _wait(self) -> None:
        if self._committing is not None:
            self._committing.result()
            self._committing = None

    def _commit(self, chunks: tuple[Chunk, ...]) -> None:
        os.fsync(self.stream.fileno())
        self.target.described(chunks).write(self.target.progress)

    def _append(self, content: bytes | memoryview) -> None:
        crc = self._threads.submit(zlib.crc32, content, self._crc)
        self.stream.write(content)
        self._crc = crc.result()
        self.end += len(content)
