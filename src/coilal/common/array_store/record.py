"""The record beside a stored array: what it is, and a checksum of each chunk of its file."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

_BLOCK = 1 << 22  # bytes that are read at once


class Chunk(NamedTuple):
    """Bytes of a file: from the end of the chunk before (or 0) to ``end``, with their CRC-32."""

    end: int
    crc: int


@dataclass(frozen=True)
class Record:
    """What is known of an array file.

    Attributes:
        about: what the array holds, for people.
        shape: its shape.
        dtype: its type, for people; the file's own header is what counts.
        chunks: the chunks of the file in order, the header within the first.
    """

    about: str
    shape: tuple[int, ...]
    dtype: str
    chunks: tuple[Chunk, ...]

    @property
    def size(self) -> int:
        """Return the bytes that the record covers."""
        return self.chunks[-1].end if self.chunks else 0

    def write(self, path: Path) -> None:
        """Write the record; readers, and a restart after a kill, see the old one or the new one."""
        partial = unfinished(path)
        with partial.open("w", encoding="utf-8") as stream:
            json.dump(self.__dict__, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, path)


def unfinished(path: Path) -> Path:
    """Return the file that ``path`` is written to until it is complete; a kill may leave it."""
    return path.with_name(f".{path.name}.partial")


def read_record(path: Path) -> Record | None:
    """Return the record, or None where there is none or it is damaged."""
    try:
        content = json.loads(path.read_bytes())
        chunks = tuple(Chunk(int(end), int(crc)) for end, crc in content["chunks"])
        return Record(str(content["about"]), tuple(map(int, content["shape"])), str(content["dtype"]), chunks)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def spans(chunks: Sequence[Chunk]) -> Iterator[tuple[int, Chunk]]:
    """Yield each chunk after the offset of its first byte."""
    start = 0
    for chunk in chunks:
        yield start, chunk
        start = chunk.end


def is_sound(stream: IO[bytes], start: int, chunk: Chunk) -> bool:
    """Return whether the bytes of a chunk are those that were written."""
    stream.seek(start)
    crc, left = 0, chunk.end - start
    while left > 0 and (block := stream.read(min(_BLOCK, left))):
        crc = zlib.crc32(block, crc)
        left -= len(block)
    return left == 0 and crc == chunk.crc
