"""Grids as SLURM job arrays: packed jobs, cells that fail, preempted jobs, a launcher that is killed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from coilal.run_directory.files import read_status
from coilal.run_directory.store import read_cycles, read_queries
from tests.e2e.test_run import without_times
from tests.slurm.conftest import JOBS, PATIENCE_S, Study, until

pytestmark = pytest.mark.slow

LONG = ["strategy=margin", "budget.initial=8", "budget.query=4", "budget.cycles=20", "trainer.max_epochs=240"]
RUN = "multiclass/tiny/margin/split0/seed0"


def slurm(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def cycles_done(folder: Path) -> int:
    return len(read_cycles(folder)) if (folder / "cycles.csv").exists() else 0


def in_queue(job: str, state: str) -> bool:
    found = subprocess.run(
        ["squeue", "-h", "-r", "-o", "%T", "-j", job], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() == state


def assert_same_run(one: Path, other: Path) -> None:
    pd.testing.assert_frame_equal(without_times(one), without_times(other), check_exact=True)
    pd.testing.assert_frame_equal(read_queries(one), read_queries(other), check_exact=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, slurm_cache: Path) -> Path:
    """The long run of seed 0, made here, without SLURM."""
    study = Study(tmp_path_factory.mktemp("undisturbed"), slurm_cache)
    process = study.start(*LONG)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    return study.root / RUN


def test_an_array_of_packed_jobs_does_a_grid_and_a_failing_cell_stops_nothing(study: Study) -> None:
    grid = ["hydra.launcher.pack=2", "seed=0,1", "strategy=random,margin,entropy,uncertainty,avg_confidence"]
    code, _, err = study.launch(*grid)
    assert code == 2, err
    assert "2 of 10 cells failed" in err
    for seed in (0, 1):
        assert f"multiclass/tiny/avg_confidence/split0/seed{seed}" in err, "the failed cells are named"
    assert "fit" in err
    assert "Traceback" not in err
    (launch,) = study.launches()
    (array,) = {job["id"].partition("_")[0] for job in launch["jobs"]}
    assert [job["id"] for job in launch["jobs"]] == [f"{array}_{number}" for number in range(5)]
    assert [len(job["cells"]) for job in launch["jobs"]] == [2] * 5
    behind = next(job for job in launch["jobs"] if job["cells"][0].endswith("avg_confidence/split0/seed0"))
    folder = study.root / behind["cells"][1]
    assert read_status(folder)["state"] == "done", "the cell behind the one that failed is done, in the same job"
    assert read_status(folder)["slurm_job"] == behind["id"]
    seen = study.status()
    assert seen["counts"] == {
        "done": 8,
        "running": 0,
        "paused": 0,
        "queued": 0,
        "failed": 2,
        "damaged": 0,
        "stale": 0,
        "missing": 0,
    }
    assert all("avg_confidence" in cell["run"] for cell in seen["cells"] if cell["state"] == "failed")
    (command,) = seen["commands"]
    assert "hydra/launcher=slurm" in command

    written = {path: path.stat().st_mtime_ns for path in study.root.rglob("status.json")}
    assert study.launch(*grid)[0] == 2
    again = study.launches()[1]
    assert sorted(cell for job in again["jobs"] for cell in job["cells"]) == [
        "multiclass/tiny/avg_confidence/split0/seed0",
        "multiclass/tiny/avg_confidence/split0/seed1",
    ], "only what failed is submitted again"
    assert {path: path.stat().st_mtime_ns for path in study.root.rglob("status.json")} == written


@pytest.mark.parametrize("how", ["scancel --signal=USR2", "scontrol requeue"])
def test_a_preempted_stack_resumes_to_the_same_result(study: Study, undisturbed: Path, how: str) -> None:
    process = study.start(*JOBS, *LONG, "seed=0,1")
    run = study.root / RUN
    until(lambda: cycles_done(run) >= 3, "three cycles")
    (launched,) = study.launches()
    assert [len(own["cells"]) for own in launched["jobs"]] == [2], "what is trained side by side is one job"
    job = study.job()
    slurm(*how.split(), job)
    until(lambda: in_queue(job, "PENDING"), "the job to be queued again")
    assert study.status()["counts"]["queued"] == 2
    before = read_cycles(run)
    assert 3 <= len(before) < 21, "the run was cut off"
    # SLURM would wait for two minutes. Within the second of the requeue it takes the job's credential for revoked.
    slurm("scontrol", "update", f"JobId={job}", "StartTime=now+3seconds")
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert "Restarts=1" in slurm("scontrol", "show", "job", job)
    assert read_status(run)["state"] == "done"
    assert_same_run(run, undisturbed)
    pd.testing.assert_frame_equal(
        read_cycles(run)[: len(before)], before, obj="the cycles that were finished, times included"
    )


def test_jobs_outlive_a_killed_launcher_and_the_second_call_finishes_the_study(
    study: Study, undisturbed: Path
) -> None:
    grid = [*LONG, "seed=0,1,2", "hydra.launcher.pack=1", "hydra.launcher.array_parallelism=1"]
    process = study.start(*JOBS, *grid)
    until(lambda: cycles_done(study.root / RUN) >= 1, "the first job to work")
    process.kill()
    process.wait()
    slurm("scancel", study.job(number=2))  # one of them will be missing
    until(lambda: study.status()["counts"]["missing"] == 1, "the cancelled job to be gone")
    seen = study.status()
    assert seen["counts"] == {
        "done": 0,
        "running": 1,
        "paused": 0,
        "queued": 1,
        "failed": 0,
        "damaged": 0,
        "stale": 0,
        "missing": 1,
    }
    code, _, err = study.launch(*grid)
    assert code == 0, err
    first, second = study.launches()
    assert [job["cells"] for job in second["jobs"]] == [["multiclass/tiny/margin/split0/seed2"]]
    jobs = {job["cells"][0]: job["id"] for launch in (first, second) for job in launch["jobs"]}
    for cell, job in jobs.items():
        status = json.loads((study.root / cell / "status.json").read_text())
        assert (status["state"], status["slurm_job"]) == ("done", job)
    assert_same_run(study.root / RUN, undisturbed)
    assert study.status()["commands"] == []


def test_a_job_that_dies_is_reported_with_the_last_lines_of_its_log(study: Study) -> None:
    process = study.start(*JOBS, *LONG)
    until(lambda: cycles_done(study.root / RUN) >= 1, "the job to work")
    slurm("scancel", "--signal=KILL", study.job())
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert "1 of 1 cells failed" in err
    assert f"{RUN}: stale" in err
    seen = study.status()
    assert seen["counts"]["stale"] == 1
    assert study.job() in seen["cells"][0]["why"]


def test_an_impossible_request_is_refused_before_anything_is_queued(study: Study) -> None:
    code, _, err = study.launch("hydra.launcher.partition=nowhere")
    assert code == 2
    assert "nowhere" in err or "partition" in err
    assert "Traceback" not in err
    assert study.status()["counts"]["missing"] == 1
