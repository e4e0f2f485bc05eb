"""What W&B's offline files of a run hold; wandb writes them and ships no reader.

A ``.wandb`` file is a log of protobuf messages in LevelDB's framing: a head of 7 bytes, then blocks of 32 KiB (the
head counts) with chunks of checksum (CRC-32 of kind and content), length, kind and content. A message that does
not fit into a block is cut into several chunks. See https://github.com/google/leveldb/blob/main/doc/log_format.md.
"""

from __future__ import annotations

import json
import logging
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coilal.runs.loggers import keys

if TYPE_CHECKING:
    from wandb.proto.wandb_internal_pb2 import Record

log = logging.getLogger(__name__)

BLOCK = 32768
HEAD = 7  # bytes of the file's head, and of each chunk's
WHOLE, FIRST, MIDDLE, LAST = 1, 2, 3, 4


class WandbFileError(Exception):
    """A file that is not what W&B wrote."""


def held_rows(folder: Path, run_id: str, project: str, entity: str | None) -> list[dict[str, Any]]:
    """Return what was logged to the offline files of a W&B run, one row a step.

    A row whose table of queried images is gone is none. What follows the first damaged byte of a file counts as not
    there, and is warned of.

    Args:
        folder: where W&B keeps its runs (``wandb/`` of the run directory).
        run_id: id of the W&B run.
        project: W&B project; a file of another one does not count.
        entity: W&B user or team, likewise.
    """
    rows: list[dict[str, Any]] = []
    for path in sorted(folder.glob(f"offline-run-*/run-{run_id}.wandb")):
        try:
            for record in _of_project(read_records(path), project, entity):
                if record.HasField("history"):
                    rows += _row(record, path.parent / "files")
        except (OSError, WandbFileError) as error:
            log.warning(
                "W&B: %s is unreadable (%s); cycles that it does not hold before that are logged again", path, error
            )
    return rows


def says_the_same(held: Mapping[str, Any], row: Mapping[str, float]) -> bool:
    """Return whether a row that W&B holds is that cycle of this very run, seconds included.

    A run that was done again with ``force=true`` has the id of the one before, but not its seconds. ``write_s`` is
    known only after a cycle is logged.
    """
    return all(_equal(held.get(key), value) for key, value in row.items() if key != "write_s")


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of a ``.wandb`` file, up to an end that a kill has torn.

    Raises:
        WandbFileError: this is no such file, or it holds something else than was written.
    """
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from wandb.proto.wandb_internal_pb2 import Record

    content = path.read_bytes()
    if content[:4] != b":W&B"[: len(content)]:
        raise WandbFileError("not a file of W&B")
    message = b""
    for position, kind, part in _chunks(content):
        if kind in (WHOLE, FIRST):
            message = b""
        message += part
        if kind in (WHOLE, LAST):
            try:
                yield Record.FromString(message)
            except DecodeError:
                raise WandbFileError(f"no record before byte {position + HEAD + len(part)}") from None


def _chunks(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield position, kind and content of each chunk."""
    position = HEAD
    while position + HEAD <= len(content):
        left = BLOCK - position % BLOCK
        if left < HEAD:  # too little for a chunk's head: zeros
            position += left
            continue
        checksum, length, kind = struct.unpack_from("<IHB", content, position)
        if not any(content[position:]):  # space that a power cut left unwritten
            return
        if kind not in (WHOLE, FIRST, MIDDLE, LAST) or HEAD + length > left:
            raise WandbFileError(f"no record at byte {position}")
        part = content[position + HEAD : position + HEAD + length]
        if len(part) < length:
            return
        if zlib.crc32(bytes([kind]) + part) != checksum:
            raise WandbFileError(f"wrong checksum at byte {position}")
        yield position, kind, part
        position += HEAD + length


def _of_project(records: Iterator[Record], project: str, entity: str | None) -> Iterator[Record]:
    """Yield the records of a file if its run is of this project."""
    for record in records:
        if record.HasField("run") and (record.run.project, record.run.entity) != (project, entity or ""):
            return
        yield record


def _row(record: Record, files: Path) -> list[dict[str, Any]]:
    row = {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
    table = row.get(f"{keys.QUERIED}.path")
    return [row] if table is None or (files / table).is_file() else []


def _equal(held: Any, value: float) -> bool:
    try:
        return float(held) == value or (float(held) != float(held) and value != value)
    except (TypeError, ValueError):
        return False
