"""Standard output and error that cannot end a command: characters they lack, readers that go, disks that are full.

The results of a command are its files. What nobody reads any more (``coilal.train | head``) is dropped, and the
command goes on and ends with its own exit code; a run of hours must not die of a closed pipe. What cannot be
written for another reason (``> FILE`` on a full disk) is told at the end, with exit code 2.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import Any, TextIO

PLAIN = {
    "·": "-",
    "×": "x",
    "–": "-",
    "—": "-",
    "−": "-",
    "→": "->",
    "…": "...",
    "⁹": "^9",
    "±": "+-",
    "≥": ">=",
    "≤": "<=",
    "«": '"',
    "»": '"',
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "δ": "delta",
    "Δ": "Delta",
}
"""How characters of our own lines are written where the encoding lacks them."""


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Replace what an encoding lacks: our own characters by similar ones, others by their code."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(PLAIN.get(one) or one.encode("ascii", "backslashreplace").decode() for one in lacking), error.end


codecs.register_error("coilal.plain", _plain)


class _Raw(io.FileIO):
    """A standard stream that drops what cannot be written.

    Attributes:
        lost: bytes that were dropped for another reason than a reader who has gone.
        reason: that reason, "" if there was none.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.lost, self.reason = 0, ""
        self._told = 0  # bytes whose loss stands in the stream itself

    def write(self, content: Any, /) -> int:
        """Write, or drop what is to be written."""
        try:
            if self.lost > self._told:  # there may be room again
                note = f"\n[{self.lost - self._told} bytes are missing here: {self.reason}]\n"
                super().write(note.encode())
                self._told = self.lost
            return super().write(content)
        except BrokenPipeError:
            _discard(self.fileno())
        except OSError as error:
            self.lost += len(content)
            self.reason = error.strerror or str(error)
        return len(content)


def secure(encoding: str | None = None) -> None:
    """Secure the standard streams of this process; done once, and only where they are Python's own.

    Args:
        encoding: of both streams; None: as they are.
    """
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:  # closed from the start: else the next file that is opened would take its place
            _fill(descriptor)
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8", errors="coilal.plain"))  # noqa: SIM115
            continue
        if stream is not getattr(sys, f"__{name}__") or not isinstance(stream, io.TextIOWrapper):
            continue  # secured before, or captured by a test or a notebook
        stream.flush()
        setattr(sys, name, _secured(stream, descriptor, encoding))


def _secured(stream: io.TextIOWrapper, descriptor: int, encoding: str | None) -> TextIO:
    return io.TextIOWrapper(
        io.BufferedWriter(_Raw(descriptor)),
        encoding=encoding or stream.encoding,
        errors="coilal.plain",
        line_buffering=descriptor == 2 or stream.line_buffering,
        write_through=stream.write_through,
    )


def loss() -> str | None:
    """Write what is left to be written; return what could not be, None if nothing was lost."""
    sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if not isinstance(raw, _Raw) or not raw.reason:
        return None
    return f"standard output could not be written ({raw.reason}): {raw.lost} bytes are missing"


def _discard(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _fill(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        _discard(descriptor)
