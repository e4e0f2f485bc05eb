"""What the results were measured on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = (
    "coilal",
    "torch",
    "pytorch-lightning",
    "timm",
    "transformers",
    "numpy",
    "baal",
    "scikit-activeml",
    "skorch",
)


def describe() -> str:
    """Return processor, cores, memory, versions and commit, in a sentence each."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"Machine: {processor()}, {cores} cores, {memory:.0f} GiB, {platform.system()}, load {load:.1f} when this "
        f"was written. Python {platform.python_version()}, {', '.join(map(installed, LIBRARIES))}; "
        f"commit {commit()}."
    )


def processor() -> str:
    """Return the name of the processor as Linux knows it, else the architecture."""
    information = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", information.read_text()) if information.exists() else None
    return found.group(1).strip() if found else platform.machine()


def installed(library: str) -> str:
    """Return name and version."""
    try:
        return f"{library} {version(library)}"
    except PackageNotFoundError:
        return f"{library} not installed"


def commit() -> str:
    """Return the commit of the repository, with a + if files differ from it."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
