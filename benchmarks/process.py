"""Runs a contestant as a process of its own and measures it from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import Report

REPOSITORY = Path(__file__).parents[1]


@dataclass(frozen=True)
class Outcome:
    """A finished process.

    Attributes:
        wall_s: from its start to its end.
        peak_mb: largest resident memory of it or of one of its children, MB (10⁶ bytes).
        report: what it reported, None if it failed.
        error: why it failed, in a line; "" if it did not.
    """

    wall_s: float
    peak_mb: float
    report: Report | None
    error: str


def run(contestant: str, arguments: Sequence[str], scratch: Path, timeout_s: float) -> Outcome:
    """Run ``python -m benchmarks.contestants.<contestant>`` and wait for it.

    Args:
        contestant: name of the module.
        arguments: its command line, without ``--out``.
        scratch: folder for report and log.
        timeout_s: the process and its children are killed after so many seconds.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    out, log = scratch / "report.json", scratch / "log.txt"
    out.unlink(missing_ok=True)
    module = f"benchmarks.contestants.{contestant}"
    command = [sys.executable, "-m", module, "--out", str(out), *arguments]
    with log.open("w") as stream:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment(), stdout=stream, stderr=stream, start_new_session=True
        )
        timer = threading.Timer(timeout_s, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)  # wait4 gives the memory of the process and its children
        wall_s = time.perf_counter() - start
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
    peak_mb = usage.ru_maxrss * 1024 / 1e6
    if process.returncode == 0:
        return Outcome(wall_s, peak_mb, Report.load(out), "")
    return Outcome(wall_s, peak_mb, None, reason(log.read_text(), process.returncode, wall_s >= timeout_s))


def environment() -> dict[str, str]:
    """Return our environment without what would set threads or coilal's cache for one contestant."""
    left_out = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "COILAL_CACHE")
    return {key: value for key, value in os.environ.items() if key not in left_out}


def reason(log: str, code: int, timed_out: bool) -> str:
    """Return why a process failed, in a line."""
    if timed_out:
        return "not finished in the time given"
    if code == -signal.SIGKILL:
        return "killed, most likely out of memory"
    lines = [line for line in log.splitlines() if line.strip()]
    return lines[-1].strip().replace("|", "/") if lines else f"exit code {code}"  # a table row has no room for |
