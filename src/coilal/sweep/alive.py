"""Whether jobs and processes still live."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

import psutil

from coilal.sweep.book import Job

# unknown: it cannot be found out from here (another machine, a SLURM that does not answer).
Life = Literal["pending", "running", "gone", "unknown"]

WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD")
CLOCK_SLACK_S = 60  # process start times are derived from the boot time, which the clock's corrections move


def job_lives(jobs: Iterable[Job]) -> dict[Job, Life]:
    """Return how it stands with each job; SLURM is asked once for all of its jobs."""
    jobs = set(jobs)
    queue = slurm_queue({job.id for job in jobs if job.kind == "slurm"})
    return {job: _slurm_life(job.id, queue) if job.kind == "slurm" else _process_life(job) for job in jobs}


def slurm_queue(ids: Iterable[str]) -> dict[str, str] | None:
    """Return the states of those jobs that are in SLURM's queue, by id (``12_3``); None if it cannot be asked."""
    numbers = sorted({job.partition("_")[0] for job in ids})
    if not numbers:
        return {}
    if shutil.which("squeue") is None:
        return None
    command = ["squeue", "--noheader", "--array", "--format=%i|%T", f"--jobs={','.join(numbers)}"]
    answer = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if answer.returncode != 0:
        # With one id, an id that SLURM has forgotten is an error; among several it is just left out.
        return {} if "Invalid job id" in answer.stderr else None
    return dict(line.strip().split("|", 1) for line in answer.stdout.splitlines() if line.strip())


def run_life(status: Mapping[str, Any], queue: Mapping[str, str] | None) -> Life:
    """Return whether the process that a status.json names still works on the run.

    Args:
        status: with ``host``, ``pid``, ``start`` and ``slurm_job``.
        queue: what ``slurm_queue`` says of its SLURM job.
    """
    here = status["host"] == socket.gethostname()
    process = process_life(int(status["pid"]), status["start"]) if here else "unknown"
    if process == "gone" or status.get("slurm_job") is None:
        return process
    job = _slurm_life(status["slurm_job"], queue)
    # A job that waits again was requeued: the process that the file names has ended.
    return "gone" if job == "pending" else job


def process_life(pid: int, since: str) -> Life:
    """Return whether a process of this machine lives; one that began after ``since`` only has the same number."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return "gone"
        late = process.create_time() - datetime.fromisoformat(since).timestamp()
    except psutil.NoSuchProcess:
        return "gone"
    return "running" if late < CLOCK_SLACK_S else "gone"


def slurm_end(job: Job) -> str | None:
    """Return the state in which a SLURM job ended (``TIMEOUT``, ``OUT_OF_MEMORY``, …), None where nobody knows."""
    if job.kind != "slurm" or shutil.which("sacct") is None:
        return None
    command = ["sacct", "--noheader", "--parsable2", "--allocations", "--format=State", f"--jobs={job.id}"]
    answer = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    lines = answer.stdout.split("\n")
    return lines[0].strip() or None if answer.returncode == 0 else None


def _slurm_life(job_id: str, queue: Mapping[str, str] | None) -> Life:
    if queue is None:
        return "unknown"
    if job_id not in queue:
        return "gone"
    return "pending" if queue[job_id] in WAITING else "running"


def _process_life(job: Job) -> Life:
    # What a process of another machine meant to do cannot be waited for: it may be gone, and nobody would tell.
    return process_life(int(job.id), job.since) if job.host == socket.gethostname() else "gone"
