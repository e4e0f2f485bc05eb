"""A run directory: its place, its lock and status.json. Quick to import, unlike the tables."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from coilal.common import machine
from coilal.common.types import UserError
from coilal.run_directory.health import checked_status

log = logging.getLogger(__name__)

WAY_OUT = "Give another folder with outputs=FOLDER."
STATUS = "status.json"
SPLIT = re.compile(r"split(\d+)")
RUN_NAME = re.compile(rf"([^/]+)/([^/]+)/([^/]+)/(?:{SPLIT.pattern}/)?seed(\d+)")


class InUseError(UserError):
    """Another process works in a run directory."""


@dataclass(frozen=True)
class RunName:
    """What a run is called by, and the place of its directory in that of its study.

    Attributes:
        task: name of the task.
        model: name of the model.
        strategy: name of the strategy.
        split: number of the split; None in the directory of a version that knew one split only.
        seed: of the run.
    """

    task: str
    model: str
    strategy: str
    split: int | None
    seed: int

    def __str__(self) -> str:
        """Return ``<task>/<model>/<strategy>/split<j>/seed<k>``."""
        split = () if self.split is None else (f"split{self.split}",)
        return "/".join((self.task, self.model, self.strategy, *split, f"seed{self.seed}"))

    @classmethod
    def of(cls, name: str) -> RunName | None:
        """Return what a path within the folder of a study names, None where that is no run directory."""
        found = RUN_NAME.fullmatch(name)
        if not found:
            return None
        task, model, strategy, split, seed = found.groups()
        return cls(task, model, strategy, None if split is None else int(split), int(seed))


def run_folder(study: Path, name: RunName) -> Path:
    """Return the directory of a run of a study.

    A run of a version whose directories said nothing of the split stays where that version has put it.
    """
    folder, earlier = study / str(name), study / str(replace(name, split=None))
    stays = not (folder / STATUS).exists() and name.split == _split_of_earlier(earlier)
    return earlier if stays else folder


def _split_of_earlier(folder: Path) -> int | None:
    """Return the split of a run whose directory says nothing of it; None where there is no such run.

    One that cannot be read, and one whose data gave the split, counts as split 0.
    """
    if not (folder / STATUS).exists():
        return None
    try:
        status = read_status(folder)
        return 0 if "given_split" in status.get("data", {}) else int(status.get("seeds", {}).get("split", 0))
    except (UserError, TypeError, ValueError, AttributeError):
        return 0


def run_folders(study: Path) -> dict[Path, RunName]:
    """Return the run directories of a study and their names, sorted by name, splits and seeds by number."""
    found = {
        path: name
        for pattern in ("*/*/*/seed*", "*/*/*/split*/seed*")
        for path in study.glob(pattern)
        if (name := RunName.of(path.relative_to(study).as_posix())) is not None and path.is_dir()
    }
    order = sorted(found.items(), key=lambda item: astuple(replace(item[1], split=item[1].split or 0)))
    return dict(order)


def beside(study: Path, name: RunName) -> list[Path]:
    """Return the directories of all runs that differ from one in strategy and seed alone, itself included."""
    of_model = study / name.task / name.model
    now = [path.parent for path in of_model.glob(f"*/split{name.split}/seed*/{STATUS}")]
    earlier = [path.parent for path in of_model.glob(f"*/seed*/{STATUS}")]
    return sorted([*now, *(folder for folder in earlier if _split_of_earlier(folder) == name.split)])


def study_of(folder: Path) -> Path:
    """Return the folder of the study that a run directory belongs to."""
    has_split = bool(SPLIT.fullmatch(folder.parent.name))
    return folder.parents[4 if has_split else 3]


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
        InUseError: another process holds it.
        UserError: the file system has no locks.
    """
    try:
        return machine.acquired(folder / ".lock", WAY_OUT, timeout=0)
    except Timeout:
        raise InUseError(
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
    path = folder / STATUS
    return checked_status(path) if path.exists() else {}


def write_status(folder: Path, status: Mapping[str, Any]) -> None:
    """Write status.json."""
    write_atomically(folder / STATUS, json.dumps(status, indent=2, ensure_ascii=False) + "\n")


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
