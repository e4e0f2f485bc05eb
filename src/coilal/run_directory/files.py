"""A run directory: its place, its lock and status.json. Quick to import, unlike the tables."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from coilal.common import machine
from coilal.common.types import UserError
from coilal.run_directory.health import checked_status

log = logging.getLogger(__name__)

WAY_OUT = "Give another folder with outputs=FOLDER."


def run_folder(outputs: Path, study: str, task: str, model: str, strategy: str, seed: int) -> Path:
    """Return ``outputs/<study>/<task>/<model>/<strategy>/seed<k>``."""
    return outputs / study / task / model / strategy / f"seed{seed}"


def now() -> str:
    """Return the time, UTC, to the second, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_atomically(path: Path, content: str | bytes, durable: bool = True) -> None:
    """Write a file so that readers, and a restart after a kill, see the old content or the new one.

    Args:
        path: the file.
        content: all of it.
        durable: wait until it is on the disk, so that it survives a power cut, too.

    Raises:
        UserError: the machine refuses it (a full disk, a folder that cannot be written); the old content stays.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with machine.writing(path):
            with partial.open("wb") as stream:
                stream.write(content.encode() if isinstance(content, str) else content)
                stream.flush()
                if durable:
                    os.fsync(stream.fileno())
            os.replace(partial, path)
            if durable:
                machine.wait_for_name(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)  # on a full disk it would take what little room there is
        raise


def ensure_writable(folder: Path) -> None:
    """Refuse an outputs folder that cannot be written or locked, before work is spent.

    Raises:
        UserError: says why, and the way out.
    """
    machine.ensure_writable(folder, WAY_OUT, locks=True)


def lock(folder: Path) -> FileLock:
    """Return the acquired lock of a run directory; the system releases it when the process ends.

    Raises:
        UserError: another process holds it, or the file system has no locks.
    """
    try:
        return machine.acquired(folder / ".lock", WAY_OUT, timeout=0)
    except Timeout:
        raise UserError(
            f"another process is working in {folder}; wait for it, or give this run another study=…"
        ) from None


def has_cycles(folder: Path) -> bool:
    """Return whether a cycle of a run is finished, so that there is something to keep."""
    return (folder / "checkpoints" / "state.json").exists()


def read_status(folder: Path) -> dict[str, Any]:
    """Return status.json of a run directory, {} where there is none.

    Raises:
        DamagedError: it cannot be read.
    """
    path = folder / "status.json"
    return checked_status(path) if path.exists() else {}


def write_status(folder: Path, status: Mapping[str, Any]) -> None:
    """Write status.json."""
    write_atomically(folder / "status.json", json.dumps(status, indent=2, ensure_ascii=False) + "\n")


def write_failure(folder: Path, status: Mapping[str, Any], error: Exception) -> None:
    """Note in status.json why a run failed; where that cannot be written, the run counts as cut off.

    Args:
        folder: the run directory.
        status: what is known of the run.
        error: what ended it; it is the one to be told, whatever becomes of the note.
    """
    reason = f"{type(error).__name__}: {error}"
    try:
        write_status(folder, {**status, "state": "failed", "end": now(), "error": reason})
    except UserError as second:
        if not isinstance(error.__cause__, OSError):  # else the same is wrong with both
            log.warning("that the run failed could not be noted: %s", second)
