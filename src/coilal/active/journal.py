"""A file to which records are only ever added: what was added is on the disk before it counts."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from coilal.common.machine import wait_for_name, writing
from coilal.common.types import UserError

_FIRST: Mapping[str, Any] = {"journal": 1}  # what the file is, and the version of its format


class Journal:
    """Records, one JSON object a line. One process at a time adds to it; a lock outside sees to that.

    Args:
        path: the file; made with the first record, in a folder that exists.
        way_out: what can be done if it is damaged, for people.
    """

    def __init__(self, path: Path, way_out: str = "bring it back from a copy") -> None:
        self.path = path
        self._way_out = way_out
        self._end = 0  # bytes of whole records, as this object knows them
        self._is_read = False

    def read(self) -> list[dict[str, Any]]:
        """Return the records in the order in which they were added.

        What a kill has left of a record, at the end, is none: whoever was adding it was not told that it counts.

        Raises:
            UserError: a line is no record; nothing is left out silently.
        """
        content = self.path.read_bytes() if self.path.exists() else b""
        self._end, self._is_read = content.rfind(b"\n") + 1, True
        lines = content[: self._end].split(b"\n")[:-1]
        records = [self._parsed(number, line) for number, line in enumerate(lines, start=1)]
        if records and records[0] != _FIRST:
            raise self.damage(1, "no journal of this version")
        return records[1:]

    def damage(self, line: int, why: object) -> UserError:
        """Return the error of a line, counted from 1, that nobody can have added."""
        return UserError(f"{self.path} is damaged (line {line}: {why}); {self._way_out}")

    def add(self, record: Mapping[str, Any]) -> None:
        """Add a record, and wait until it is on the disk.

        Raises:
            UserError: the machine refuses it (a full disk, …); then it does not count.
        """
        if not self._is_read:
            self.read()
        records = [record] if self._end else [_FIRST, record]
        content = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in records).encode()
        with writing(self.path):
            try:
                self._append(content)
            except OSError:
                with suppress(OSError):  # else the next reader, or the next record, passes over what is left of it
                    os.truncate(self.path, self._end)
                raise
        self._end += len(content)

    def _append(self, content: bytes) -> None:
        with self.path.open("ab") as stream:
            if stream.tell() > self._end:  # what a kill has left of a record
                stream.truncate(self._end)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if self._end == 0:
            wait_for_name(self.path)

    def _parsed(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self.damage(number, error) from None
        if not isinstance(record, dict):
            raise self.damage(number, "no record")
        return record
