"""Grids on one machine: in one process, in several, launched twice at the same time, interrupted and killed."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from coilal.run_directory.files import read_status
from coilal.run_directory.store import read_queries
from tests.commands import Command
from tests.conftest import SMALL
from tests.e2e.test_run import without_times

pytestmark = pytest.mark.slow

INTERRUPTED = "interrupted; the same command goes on where this one stopped\n"


def start(folder: Path, cache: Path, *overrides: str) -> Command:
    return Command("coilal.train", "-m", *SMALL, "study=grid", f"cache.dir={cache}", *overrides, cwd=folder)


def finish(process: Command) -> str:
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return out


def launches(study: Path) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in (study / ".multirun").glob("grid-*.json")]
    return sorted(found, key=lambda launch: str(launch["time"]))


def results(study: Path) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    folders = [path.parent for path in study.glob("*/*/*/split0/seed*/status.json")]
    assert all(read_status(folder)["state"] == "done" for folder in folders)
    return {
        folder.relative_to(study).as_posix(): (without_times(folder), read_queries(folder)) for folder in folders
    }


def test_launchers_in_the_same_second_share_the_work_and_give_the_same_as_one(tmp_path: Path) -> None:
    """Two launches into one study, a third into another; all three meet in an empty cache."""
    grid = ["strategy=margin,random", "seed=0,1"]
    cache = tmp_path / "cache"
    (tmp_path / "alone").mkdir()
    processes = [
        start(tmp_path, cache, *grid, "hydra.launcher.processes=2"),
        start(tmp_path, cache, *grid),
        start(tmp_path / "alone", cache, *grid, "hydra.launcher.processes=1"),
    ]
    outputs = [finish(process) for process in processes]
    assert all("4 cells: 4 done" in out for out in outputs)
    study = tmp_path / "outputs" / "grid"
    shares = [sorted(cell for job in launch["jobs"] for cell in job["cells"]) for launch in launches(study)]
    assert sorted(map(len, shares)) == [0, 4], "what one launch does the other leaves alone"
    together, alone = results(study), results(tmp_path / "alone" / "outputs" / "grid")
    assert together.keys() == alone.keys()
    for name, (cycles, queries) in alone.items():
        pd.testing.assert_frame_equal(together[name][0], cycles, check_exact=True)
        pd.testing.assert_frame_equal(together[name][1], queries, check_exact=True)
    assert len(list((cache / "features").glob("*.npy"))) == 1, "features are computed once"


def test_a_cell_that_fails_in_one_of_several_processes_is_named_and_stops_no_other(
    tmp_path: Path, cache: Path
) -> None:
    process = start(tmp_path, cache, "strategy=avg_confidence,random,margin", "hydra.launcher.processes=2")
    out, err = process.communicate(timeout=600)
    assert process.returncode == 2
    assert "2 processes (as asked for)" in out
    study = Path("outputs/grid")
    for number, strategy in ((1, "random"), (2, "margin")):
        assert f"#{number} done: {study}/multiclass/tiny/{strategy}/split0/seed0\n" in out
    (failed,) = [line for line in out.splitlines() if "#0 failed" in line]
    assert "multiclass/tiny/avg_confidence/split0/seed0: " in failed
    log = tmp_path / failed.rpartition("; log: ")[2]
    assert "avg_confidence/split0/seed0 failed: " in log.read_text()
    assert "1 of 3 cells failed" in err
    assert "Traceback" not in err
    (launch,) = launches(tmp_path / study)
    assert sorted(len(job["cells"]) for job in launch["jobs"]) == [1, 2]
    assert {Path(job["log"]).parent for job in launch["jobs"]} == {study / ".multirun" / "logs"}


def test_force_does_finished_cells_again_and_a_crash_shows_its_traceback(tmp_path: Path, cache: Path) -> None:
    finish(start(tmp_path, cache, "seed=0,1"))
    study = tmp_path / "outputs" / "grid"
    before = results(study)
    written = {path: path.stat().st_mtime_ns for path in study.rglob("cycles.csv")}
    finish(start(tmp_path, cache, "seed=0,1", "force=true"))
    assert all(path.stat().st_mtime_ns > time for path, time in written.items())
    for name, (cycles, queries) in results(study).items():
        pd.testing.assert_frame_equal(before[name][0], cycles, check_exact=True)
        pd.testing.assert_frame_equal(before[name][1], queries, check_exact=True)
    # Other settings in the same directories, and a cell that crashes inside a library.
    process = start(tmp_path, cache, "seed=0,2", "model.head.hidden=[10000000000000]")
    _, err = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "2 of 2 cells failed" in err
    assert "model.head.hidden: [] → [10000000000000]" in err, "the finished run of other settings is refused"
    assert "multiclass/tiny/entropy/split0/seed2: " in err
    assert "    | " in err, "the last lines of the traceback"
    assert read_status(study / "multiclass/tiny/entropy/split0/seed2")["state"] == "failed"


def test_cells_that_share_a_directory_are_refused_before_anything_is_written(tmp_path: Path, cache: Path) -> None:
    process = start(tmp_path, cache, "budget.query=range(1,101)")
    out, err = process.communicate(timeout=600)
    assert process.returncode == 2
    assert "100 cells of this grid have the same run directory" in err
    assert "reading the settings of 100 cells" in out
    assert not list((tmp_path / "outputs").rglob("grid-*.json"))


LONG = ["seed=0,1,2,3", "budget.cycles=6", "budget.query=4", "trainer.max_epochs=120"]


def begun(folder: Path, process: Command, launch: int = 0) -> dict[int, list[str]]:
    """Wait until all workers of a launch have finished a cycle; return their cells by process number."""
    study = folder / "outputs" / "grid"
    until = time.monotonic() + 300
    while time.monotonic() < until:
        assert process.poll() is None, process.communicate(timeout=60)
        jobs = launches(study)[launch]["jobs"] if len(launches(study)) > launch else []
        if jobs and all(any(works(study / cell, job) for cell in job["cells"]) for job in jobs):
            return {int(job["id"]): job["cells"] for job in jobs}
        time.sleep(0.05)
    pytest.fail("the workers did not begin")


def works(run: Path, job: dict[str, Any]) -> bool:
    status = read_status(run)
    mine = status.get("state") == "running" and str(status["pid"]) == job["id"]
    return mine and (run / "checkpoints" / "state.json").exists()


def test_what_is_interrupted_or_killed_leaves_no_process_and_the_same_command_goes_on(
    tmp_path: Path, cache: Path
) -> None:
    command = (tmp_path, cache, *LONG, "hydra.launcher.processes=2")
    for launch, how in enumerate((signal.SIGINT, signal.SIGKILL)):  # Ctrl-C; and what a process cannot answer to
        process = start(*command)
        assert len(begun(tmp_path, process, launch)) == 2
        started = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(how)
        _, err = process.communicate(timeout=60)
        _, left = psutil.wait_procs(started, timeout=60)
        assert not left
        if how == signal.SIGINT:
            assert process.returncode == 130
            assert err.endswith(INTERRUPTED)
            assert_nothing_is_claimed(tmp_path, err)

    process = start(*command)
    killed, *_ = workers = begun(tmp_path, process, launch=2)
    os.kill(killed, signal.SIGKILL)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 1
    (told,) = [line for line in out.splitlines() if "not finished" in line]
    assert f"process {killed} was killed by SIGKILL" in told
    assert "memory" in told
    study = tmp_path / "outputs" / "grid"
    undone = [cell for cell in workers[killed] if read_status(study / cell).get("state") != "done"]
    assert all(cell in told for cell in undone)
    assert f"{len(undone)} of 4 cells failed" in err
    assert "(killed by SIGKILL" in err
    others = [cell for pid, cells in workers.items() if pid != killed for cell in cells]
    assert all(read_status(study / cell)["state"] == "done" for cell in others), "the other process went on"

    finish(start(*command))
    assert launches(study)[-1]["jobs"][0]["cells"] == undone[:1]
    assert len(results(study)) == 4


ENDS = {
    signal.SIGINT: (130, INTERRUPTED),
    signal.SIGTERM: (143, "ended by SIGTERM; the same command goes on where this one stopped\n"),
}


def assert_nothing_is_claimed(folder: Path, err: str) -> None:
    """Everything stands as after a kill."""
    assert "Traceback" not in err
    found = [read_status(path.parent) for path in folder.rglob("status.json")]
    assert {status["state"] for status in found} == {"running"}


# Ctrl-C with two processes: in the test before.
@pytest.mark.parametrize(("processes", "how"), [(1, signal.SIGINT), (1, signal.SIGTERM), (2, signal.SIGTERM)])
def test_a_grid_that_is_told_to_end_says_how_to_go_on_and_claims_nothing(
    tmp_path: Path, cache: Path, processes: int, how: signal.Signals
) -> None:
    process = start(tmp_path, cache, *LONG, f"hydra.launcher.processes={processes}")
    workers = begun(tmp_path, process)
    assert len(workers) == processes
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    assert process.returncode == ENDS[how][0]
    assert err.endswith(ENDS[how][1])
    assert_nothing_is_claimed(tmp_path, err)
