"""What this machine has for several processes at a time, as far as this process may use it."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from itertools import takewhile

import joblib


def cores() -> int:
    """Return the number of cores: a container's share of them, or those that this process is bound to."""
    return int(joblib.cpu_count())


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
