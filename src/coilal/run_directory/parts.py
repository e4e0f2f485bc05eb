"""The parts of a run that was cut off and went on: what status.json keeps of those before the last one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coilal.run_directory.columns import is_duration
from coilal.run_directory.files import has_cycles, read_status
from coilal.run_directory.health import DamagedError, read_state

EARLIER_PARTS = "earlier_parts"
"""Key of status.json, only of a run that went on. Beside it stands what is so of the last part, as in any run."""

_OF_A_PART = ("start", "end", "error", "versions", "git_commit", "host", "pid", "slurm_job", "overrides")


def parts_so_far(folder: Path) -> list[dict[str, Any]]:
    """Return what is known of the parts of a cut-off run, in their order; none where no cycle is finished.

    Each has what its status.json said, the number of ``cycles`` it has finished, and the ``seconds`` that were
    measured in these. A part that was killed has no ``end``, and what else it spent nobody knows.

    Raises:
        DamagedError: status.json or the record of the cycles cannot be read.
    """
    if not has_cycles(folder):
        return []
    status = read_status(folder)
    cycles, _ = read_state(folder / "checkpoints" / "state.json")
    before = status.get(EARLIER_PARTS, [])
    if not _are_parts(before, len(cycles)):
        why = f"{EARLIER_PARTS} do not say how many of the {len(cycles)} cycles they finished, and in what time"
        raise DamagedError(folder / "status.json", why)
    if not isinstance(status.get("versions", {}), dict):
        raise DamagedError(folder / "status.json", f"versions is {status['versions']!r}")
    own = cycles[sum(part["cycles"] for part in before) :]
    measured = sum(value for row in own for column, value in row.items() if is_duration(column))
    last = {key: status[key] for key in _OF_A_PART if key in status}
    return [*before, {**last, "cycles": len(own), "seconds": round(measured, 1)}]


def seconds_before(parts: Sequence[Mapping[str, Any]]) -> float:
    """Return the seconds that are known of parts of a run."""
    return float(sum(part["seconds"] for part in parts))


def other_versions(parts: Sequence[Mapping[str, Any]], now: Mapping[str, Any]) -> list[str]:
    """Return ``library: old → new`` for what the last part computed with in another version.

    Args:
        parts: those of a run so far.
        now: status.json of the part that begins.
    """
    if not parts:
        return []
    before, after = _versions(parts[-1]), _versions(now)
    return [
        f"{name}: {before[name]} → {after[name]}"
        for name in after
        if name in before and before[name] != after[name]
    ]


def _versions(part: Mapping[str, Any]) -> dict[str, Any]:
    commit = {"git commit": part["git_commit"]} if "git_commit" in part else {}
    return {**part.get("versions", {}), **commit}


def _are_parts(content: Any, finished: int) -> bool:
    return (
        isinstance(content, list)
        and all(
            isinstance(part, dict) and _is_count(part.get("cycles")) and _is_time(part.get("seconds"))
            for part in content
        )
        and sum(part["cycles"] for part in content) <= finished
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
