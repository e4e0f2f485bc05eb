"""What this machine has for several processes at a time, as far as this process may use it."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from itertools import takewhile
from pathlib import Path

import joblib
import psutil

CGROUP = Path("/sys/fs/cgroup")  # of version 2
OWN_CGROUP = Path("/proc/self/cgroup")


def cores() -> int:
    """Return the number of cores: a container's share of them, or those that this process is bound to."""
    return int(joblib.cpu_count())


def free_memory() -> int:
    """Return the bytes that new processes can take before the machine, container or SLURM job is full."""
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


def gpus() -> list[str]:
    """Return how CUDA_VISIBLE_DEVICES names each CUDA device; torch would know, but takes seconds to import."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        # As CUDA reads it: the devices up to the first that is none, -1 for example.
        names = [name.strip() for name in visible.split(",")]
        return list(takewhile(lambda name: name not in ("", "-1"), names))
    return [str(number) for number in range(_count_gpus())]


@cache  # asking the driver takes up to a second
def _count_gpus() -> int:
    if shutil.which("nvidia-smi") is None:
        return 0
    listed = subprocess.run(
        ["nvidia-smi", "-L"], capture_output=True, encoding="utf-8", errors="replace", check=False
    ).stdout
    return sum(line.startswith("GPU ") for line in listed.splitlines())
