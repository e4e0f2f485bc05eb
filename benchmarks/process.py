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
from typing import Self

import psutil

from benchmarks.report import Report

REPOSITORY = Path(__file__).parents[1]
SAMPLE_S = 0.5  # a sample takes 6 ms for each GB that is held: a hundredth of a core

COILAL = "coilal.sweep.server_imports, coilal.run_directory.learning_curve, timm, transformers"
# What contestants import in processes of their own; of the others, the module says it.
IMPORTS = {"coilal": COILAL, "startup": COILAL}


@dataclass(frozen=True)
class Outcome:
    """A finished process.

    Attributes:
        wall_s: from its start to its end.
        peak_mb: most memory of it and all processes that it started at one time, MB (10⁶ bytes).
        report: what it reported, None if it failed.
        error: why it failed, in a line; "" if it did not.
    """

    wall_s: float
    peak_mb: float
    report: Report | None
    error: str


def run(contestant: str, arguments: Sequence[str], scratch: Path, timeout_s: float) -> Outcome:
    """Run ``python -m benchmarks.contestants.<contestant>`` and wait for it; its libraries are in memory before.

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
        import_untimed(IMPORTS.get(contestant, module))
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment(), stdout=stream, stderr=stream, start_new_session=True
        )
        timer = threading.Timer(timeout_s, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        with TreeMemory(process.pid) as memory:
            _, status, usage = os.wait4(process.pid, 0)
            wall_s = time.perf_counter() - start
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
    largest_mb = usage.ru_maxrss * 1024 / 1e6  # of the largest process; no sample is needed to see its peak
    peak_mb = max(memory.peak_mb, largest_mb)
    if process.returncode == 0:
        return Outcome(wall_s, peak_mb, Report.load(out), "")
    return Outcome(wall_s, peak_mb, None, reason(log.read_text(), process.returncode, wall_s >= timeout_s))


def import_untimed(modules: str) -> None:
    """Let a process import what the next one will, so that all find their libraries in memory.

    The system may drop what was not read for minutes, and reading it again takes seconds (15 became 20): whoever
    comes first after a long run would pay for those who come after it. What fails here fails again where it is
    reported.

    Args:
        modules: their names, with commas.
    """
    command = [sys.executable, "-c", f"import {modules}"]
    subprocess.run(command, cwd=REPOSITORY, env=environment(), capture_output=True, check=False)


class TreeMemory:
    """Samples the memory of a process and of all that it started, while the block runs.

    What several of them share (libraries, pages of a fork, files in memory) is counted once.

    Attributes:
        peak_mb: largest sum of a sample, MB (10⁶ bytes).
    """

    def __init__(self, pid: int) -> None:
        self.peak_mb = 0.0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_S):
            self.peak_mb = max(self.peak_mb, tree_memory(self._pid) / 1e6)


def tree_memory(pid: int) -> int:
    """Return the bytes that a process and all that it started hold at this moment."""
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    return sum(map(proportional_memory, processes))


def proportional_memory(process: psutil.Process) -> int:
    """Return the bytes that a process holds, of shared pages its share; all of them where the share is secret."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0  # it ended meanwhile


def environment() -> dict[str, str]:
    """Return our environment without what would set threads or coilal's cache for one contestant.

    Nor may Python compile a contestant's own files at every start: installed libraries come compiled.
    """
    left_out = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "COILAL_CACHE", "PYTHONDONTWRITEBYTECODE")
    return {key: value for key, value in os.environ.items() if key not in left_out}


def reason(log: str, code: int, timed_out: bool) -> str:
    """Return why a process failed, in a line."""
    if timed_out:
        return "not finished in the time given"
    if code == -signal.SIGKILL:
        return "killed, most likely out of memory"
    lines = [line for line in log.splitlines() if line.strip()]
    return lines[-1].strip().replace("|", "/") if lines else f"exit code {code}"  # a table row has no room for |
