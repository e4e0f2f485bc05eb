"""Whether what lies in a run directory is what a run has left there: damaged files, and those of other people."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from coilal.common.types import UserError

SECTIONS = ("study", "seed", "data", "model", "task", "strategy", "trainer")
"""What every config.yaml has, in the order in which it stands there."""

TABLES = ("cycles.csv", "queries.csv", "splits.csv")
RECORDS = ("config.yaml", "status.json", "checkpoints/state.json")
SESSION = "checkpoints/session.jsonl"
"""The journal of what was asked and told."""
AUDIT = "checkpoints/audit.jsonl"
"""The journal of the audit set of a labelling session."""
AUDIT_PREDICTIONS = "checkpoints/audit_predictions.jsonl"
"""What each cycle of a labelling session predicted of the audit set, image by image."""
LABELS = "labels.csv"
"""What people told, as a table."""
RELABEL = "relabel.csv"
"""Labels for a second look, where somebody asked for them."""
FILES = (*RECORDS, SESSION, *TABLES, "predictions.npz", "curve.png", LABELS, RELABEL)

REPLACE = "replace the run with force=true, or leave it as it is and give this one another study=…"


class DamagedError(UserError):
    """A file cannot be what was written there.

    Args:
        path: the file.
        why: what is wrong with it.
        way_out: what can be done.
    """

    def __init__(self, path: Path, why: str, way_out: str = REPLACE) -> None:
        super().__init__(f"{path} is damaged ({why}); {way_out}")


def read_object(path: Path, way_out: str = REPLACE) -> dict[str, Any]:
    """Return a JSON file that holds one object.

    Raises:
        DamagedError: it does not.
    """
    try:
        content = json.loads(path.read_bytes())
    except IsADirectoryError:
        raise DamagedError(path, "a folder, not a file", way_out) from None
    except (ValueError, RecursionError) as error:
        raise DamagedError(path, "empty" if path.stat().st_size == 0 else f"no JSON: {error}", way_out) from None
    if not isinstance(content, dict):
        raise DamagedError(path, f"a {type(content).__name__} where an object must be", way_out)
    return content


def checked_status(path: Path) -> dict[str, Any]:
    """Return status.json, with what must be there to tell how it stands with the run.

    Raises:
        DamagedError: it is not there.
    """
    status = read_object(path)
    needed: dict[str, type] = {"state": str}
    needed |= {key: kind for key, kind in (("data", dict), ("weights", str)) if key in status}
    if status.get("state") == "running":
        needed |= {"host": str, "start": str}
    if status.get("state") == "failed":
        needed |= {"error": str}
    for key, kind in needed.items():
        if not isinstance(status.get(key), kind):
            raise DamagedError(path, f"{key} is {status.get(key)!r}")
    for key in ("start", "end"):
        if key in status:
            _check_time(path, key, status[key])
    return status


def read_state(path: Path) -> tuple[list[dict[str, float]], list[dict[str, Any]]]:
    """Return the finished cycles of checkpoints/state.json, and the queries where an earlier version wrote it.

    Raises:
        DamagedError: that is not what the file holds.
    """
    state = read_object(path)
    cycles: Any = state.get("cycles")
    queries: Any = state.get("queries", [])
    if not _rows(cycles, {"cycle": int, "labelled": int}) or not _rows(queries, {"cycle": int, "image": str}):
        raise DamagedError(path, "it does not list cycles and queries")
    if not all(_is_number(value) for row in cycles for value in row.values()):
        raise DamagedError(path, "its cycles hold what is no number")
    if [row["cycle"] for row in cycles] != list(range(len(cycles))):
        raise DamagedError(path, "its cycles are not numbered one after the other")
    return cycles, queries


def read_config(path: Path) -> dict[str, Any]:
    """Return the settings in config.yaml.

    Raises:
        DamagedError: there are none.
    """
    try:
        # Resolved when it was written: it needs no OmegaConf, which is slow where a study has many files.
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except (ValueError, yaml.YAMLError) as error:
        first = str(error).partition("\n")[0]
        raise DamagedError(path, f"{type(error).__name__}: {first}") from None
    if not isinstance(content, dict) or not content:
        raise DamagedError(path, "it holds no settings")
    if lacking := [name for name in SECTIONS if name not in content]:  # cut off: what is left is YAML all the same
        raise DamagedError(path, f"it lacks {', '.join(lacking)}")
    return {str(key): value for key, value in content.items()}


def ensure_sound(folder: Path, force: bool) -> None:
    """Refuse a run directory that a run can neither begin nor go on in.

    Args:
        folder: the run directory.
        force: whether what a run has left in it will be replaced; other files stay as they are.

    Raises:
        UserError: names the file and the way out.
    """
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise UserError(
                f"{place} is a file, and the run needs a folder there; move it away, or give another study=…"
            )
    if not folder.exists():
        return
    for name in FILES:
        if (folder / name).is_dir():
            raise UserError(f"{folder / name} is a folder, and the run needs a file there; move it away")
    if (folder / "checkpoints").is_file():
        raise UserError(f"{folder / 'checkpoints'} is a file, and the run needs a folder there; move it away")
    if not force:
        _ensure_own(folder)


def records(folder: Path) -> list[str]:
    """Return which files are there that say what a run is and how far it has come: none before it has begun."""
    return [name for name in RECORDS if (folder / name).exists()]


def _ensure_own(folder: Path) -> None:
    there = records(folder)
    if not there:
        others = sorted(path.name for path in folder.iterdir() if _is_others(path))
        if others:
            names = ", ".join(others[:5]) + ", …" * (len(others) > 5)
            raise UserError(
                f"{folder} holds files that no run has written ({names}); "
                "give this run another study=…, or let it write beside them with force=true"
            )
        return
    if "config.yaml" not in there:
        raise DamagedError(folder / "config.yaml", f"missing, beside {there[0]}")
    if "status.json" in there:
        status = checked_status(folder / "status.json")
        if status["state"] == "done":
            if not isinstance(status.get("validation_aulc", ""), int | float | None):
                raise DamagedError(folder / "status.json", "finished, without validation_aulc")
            return
    if "checkpoints/state.json" in there:
        read_state(folder / "checkpoints" / "state.json")


def _is_others(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and path.name not in FILES


def _rows(content: Any, columns: dict[str, type]) -> bool:
    return isinstance(content, list) and all(
        isinstance(row, dict) and all(isinstance(row.get(name), kind) for name, kind in columns.items())
        for row in content
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_time(path: Path, key: str, value: Any) -> None:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise DamagedError(path, f"{key} is {value!r}, no time") from None
