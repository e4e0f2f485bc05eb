from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from coilal.run_directory.files import now
from coilal.sweep.alive import job_lives, process_life, run_life, slurm_end, slurm_queue
from coilal.sweep.book import Job

HERE = socket.gethostname()


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in front of PATH, for commands that answer as SLURM's do."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return tmp_path


def command(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_this_process_lives_and_an_ended_one_does_not() -> None:
    assert process_life(os.getpid(), now()) == "running"
    assert process_life(ended_process(), now()) == "gone"


def test_a_process_that_began_later_only_has_the_same_number() -> None:
    assert process_life(os.getpid(), "2020-01-01T00:00:00+00:00") == "gone"


def test_a_process_that_ended_unseen_by_its_parent_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert process_life(process.pid, now()) == "gone"
    process.wait()


def test_the_queue_is_asked_once_for_all_jobs(fake: Path) -> None:
    command(
        fake, "squeue", f'echo "$@" >> {fake}/asked; echo "7_0|RUNNING"; echo "7_1|PENDING"; echo "9|COMPLETING"'
    )
    jobs = {job: Job("slurm", job, HERE, now(), ()) for job in ("7_0", "7_1", "7_2", "9")}
    lives = job_lives(jobs.values())
    assert {name: lives[job] for name, job in jobs.items()} == {
        "7_0": "running",
        "7_1": "pending",
        "7_2": "gone",
        "9": "running",
    }
    (asked,) = (fake / "asked").read_text().splitlines()
    assert "--jobs=7,9" in asked


def test_a_job_that_slurm_has_forgotten_is_gone_and_a_silent_slurm_is_unknown(fake: Path) -> None:
    command(fake, "squeue", 'echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1')
    assert slurm_queue(["7"]) == {}
    command(fake, "squeue", 'echo "Unable to contact slurm controller" >&2; exit 1')
    assert slurm_queue(["7"]) is None
    job = Job("slurm", "7", HERE, now(), ())
    assert job_lives([job]) == {job: "unknown"}


def test_without_slurm_jobs_nobody_is_asked(fake: Path) -> None:
    command(fake, "squeue", "exit 1")
    assert slurm_queue([]) == {}


def status(pid: int, host: str = HERE, job: str | None = None) -> dict[str, object]:
    return {"host": host, "pid": pid, "start": now(), "slurm_job": job}


def test_a_run_lives_with_its_process_and_its_job() -> None:
    mine = os.getpid()
    assert run_life(status(mine), {}) == "running"
    assert run_life(status(ended_process()), {}) == "gone"
    assert run_life(status(1, "elsewhere"), {}) == "unknown"
    assert run_life(status(1, "elsewhere", "7"), {"7": "RUNNING"}) == "running"
    assert run_life(status(1, "elsewhere", "7"), {"7": "PENDING"}) == "gone", "it was put in the queue again"
    assert run_life(status(1, "elsewhere", "7"), {}) == "gone"
    assert run_life(status(1, "elsewhere", "7"), None) == "unknown"
    assert run_life(status(ended_process(), HERE, "7"), {"7": "RUNNING"}) == "gone", "the job outlived it"


def test_how_a_job_ended(fake: Path) -> None:
    command(fake, "sacct", "echo OUT_OF_MEMORY")
    assert slurm_end(Job("slurm", "7_1", HERE, now(), ())) == "OUT_OF_MEMORY"
    assert slurm_end(Job("process", "7", HERE, now(), ())) is None
    command(fake, "sacct", "exit 1")
    assert slurm_end(Job("slurm", "7_1", HERE, now(), ())) is None
