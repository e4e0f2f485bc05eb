"""How much memory of this machine is free, as far as this process may use it. Imports no torch: launchers ask."""

from __future__ import annotations

from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")  # of version 2
OWN_CGROUP = Path("/proc/self/cgroup")


def free_host_memory() -> int:
    """Return the bytes that processes can still take before the machine, container or SLURM job is full."""
    limits = [left for group in _control_groups() if (left := _left_in(group)) is not None]
    return min([int(psutil.virtual_memory().available), *limits])


def _control_groups() -> list[Path]:
    """Return the folders of this process' control group and of those around it."""
    if not OWN_CGROUP.exists():  # not Linux
        return []
    own = next(
        (line[3:] for line in OWN_CGROUP.read_text(encoding="utf-8").splitlines() if line.startswith("0::")), "/"
    )
    folder = CGROUP / own.lstrip("/")
    return [group for group in (folder, *folder.parents) if group.is_relative_to(CGROUP)]


def _left_in(group: Path) -> int | None:
    limit = group / "memory.max"
    if not limit.exists() or limit.read_text(encoding="utf-8").strip() == "max":
        return None
    stat = dict(line.split() for line in (group / "memory.stat").read_text(encoding="utf-8").splitlines())
    dropped = int(stat["inactive_file"])  # files, when there is need
    return (
        int(limit.read_text(encoding="utf-8"))
        - int((group / "memory.current").read_text(encoding="utf-8"))
        + dropped
    )
