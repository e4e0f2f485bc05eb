"""A run directory: its place, its lock and status.json. Quick to import, unlike the tables."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from omegaconf import DictConfig

from coilal.results.health import checked_status
from coilal.types import UserError


def run_folder(cfg: DictConfig, task: str | None = None) -> Path:
    """Return ``outputs/<study>/<task>/<model>/<strategy>/seed<k>``."""
    parts = (cfg.study, task or cfg.task.name, cfg.model.name, cfg.strategy.name, f"seed{cfg.seed}")
    return Path(cfg.outputs).joinpath(*map(str, parts))


def now() -> str:
    """Return the time, UTC, to the second, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_atomically(path: Path, content: str | bytes, durable: bool = True) -> None:
    """Write a file so that readers, and a restart after a kill, see the old content or the new one.

    Args:
        path: the file.
        content: all of it.
        durable: wait until it is on the disk, so that it survives a power cut, too.
    """
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
        stream.flush()
        if durable:
            os.fsync(stream.fileno())
    os.replace(partial, path)


def lock(folder: Path) -> FileLock:
    """Return the acquired lock of a run directory; the system releases it when the process ends.

    Raises:
        UserError: another process holds it.
    """
    file_lock = FileLock(folder / ".lock")
    try:
        file_lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"another process is working in {folder}; wait for it, or give this run another study=…"
        ) from None
    return file_lock


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
