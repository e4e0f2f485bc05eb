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

CGROUP = Path("/sys/fs/cgroup")  # of version 2, as a container sees it


def cores() -> int:
    """Return the number of cores: a container's share of them, or those that this process is bound to."""
    return int(joblib.cpu_count())


def free_memory() -> int:
    """Return the bytes of memory that new processes can take before the machine or the container is full."""
    free = int(psutil.virtual_memory().available)
    limit = CGROUP / "memory.max"
    if not limit.exists() or limit.read_text().strip() == "max":
        return free
    stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
    used = int((CGROUP / "memory.current").read_text()) - int(
        stat["inactive_file"]
    )  # files are dropped when needed
    return min(free, int(limit.read_text()) - used)


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
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False).stdout
    return sum(line.startswith("GPU ") for line in listed.splitlines())
