from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from coilal.run_directory.files import now, write_status
from coilal.sweep.alive import Life
from coilal.sweep.book import Job, Launch, Outcome, write_launch
from coilal.sweep.cells import Cell
from coilal.sweep.states import CellState, State, count, judge, states, study_cells

NAME = "multiclass/tiny/margin/seed0"
T = [f"2026-01-01T00:00:0{second}+00:00" for second in range(5)]
JOB = Job("slurm", "7_1", "node", T[2], (NAME,))
RUNNING = {"state": "running", "host": "node", "slurm_job": "7_1", "start": T[3]}
FAILED = {"state": "failed", "host": "node", "start": T[0], "error": "ValueError: old"}
OLD, NEW = Outcome(T[1], error="old"), Outcome(T[4], error="new")


@pytest.mark.parametrize(
    ("status", "job", "life", "run", "outcome", "state", "why", "claimed"),
    [
        ({"state": "done", "start": T[0]}, JOB, "running", "gone", NEW, "done", "", False),
        (RUNNING, JOB, "running", "running", None, "running", "node, job 7_1", True),
        (RUNNING, JOB, "running", "running", OLD, "running", "node", True),
        (RUNNING, None, "gone", "running", None, "running", "node", True),
        (RUNNING, JOB, "unknown", "unknown", None, "running", "when SLURM last answered", True),
        (RUNNING, None, "gone", "unknown", None, "running", "nobody can tell", False),
        (RUNNING, JOB, "pending", "unknown", None, "queued", "job 7_1 waits", True),
        (RUNNING, JOB, "gone", "unknown", NEW, "failed", "new", False),
        (RUNNING, JOB, "pending", "gone", None, "queued", "job 7_1 waits", True),
        (RUNNING, JOB, "running", "gone", None, "queued", "job 7_1 will come to it", True),
        ({}, JOB, "pending", "gone", None, "queued", "job 7_1 waits", True),
        ({}, JOB, "unknown", "gone", None, "queued", "when SLURM last answered", True),
        ({}, JOB, "pending", "gone", OLD, "queued", "job 7_1 waits", True),
        (FAILED, JOB, "pending", "gone", OLD, "queued", "job 7_1 waits", True),
        ({}, JOB, "running", "gone", NEW, "failed", "new", False),
        (FAILED, JOB, "gone", "gone", NEW, "failed", "new", False),
        (FAILED, None, "gone", "gone", None, "failed", "ValueError: old", False),
        ({}, JOB, "gone", "gone", OLD, "failed", "old", False),
        (RUNNING, JOB, "gone", "gone", None, "stale", "node is gone, job 7_1 too", False),
        (RUNNING, None, "gone", "gone", OLD, "stale", "node is gone", False),
        ({}, JOB, "gone", "gone", None, "missing", "job 7_1 is gone", False),
        ({}, None, "gone", "gone", None, "missing", "", False),
    ],
)
def test_judgement(
    status: dict[str, Any],
    job: Job | None,
    life: Life,
    run: Life,
    outcome: Outcome | None,
    state: State,
    why: str,
    claimed: bool,
) -> None:
    found = judge(status, job, life, run, outcome)
    assert (found.state, found.claimed) == (state, claimed)
    assert why in found.why
    assert bool(why) == bool(found.why)


def run_directory(study: Path, name: str, **status: Any) -> None:
    (study / name).mkdir(parents=True)
    write_status(study / name, {"host": socket.gethostname(), "pid": os.getpid(), "start": now(), **status})


def test_states_are_read_from_the_study(tmp_path: Path) -> None:
    names = [f"multiclass/tiny/margin/seed{seed}" for seed in range(3)]
    cells = tuple(Cell(str(tmp_path), name, (), "") for name in names)
    run_directory(tmp_path, names[0], state="done", end=now())
    run_directory(tmp_path, names[1], state="running", slurm_job=None)
    (tmp_path / names[1] / "cycles.csv").write_text("cycle,labelled\n0,16\n1,32\n")
    here = Job("process", str(os.getpid()), socket.gethostname(), now(), tuple(names))
    write_launch(str(tmp_path), Launch(now(), "train", "/", cells, (here,)))
    found = states(cells)
    assert [found[cell].state for cell in cells] == ["done", "running", "queued"]
    assert found[cells[1]].cycles == 2
    assert found[cells[1]].seconds is not None
    assert count(found.values()) == "3 cells: 1 done, 1 running, 1 queued"
    assert count(found.values(), refused=2) == "5 cells: 1 done, 1 running, 1 queued, 2 refused"
    assert count([], refused=1) == "1 cell: 1 refused"


def test_runs_that_were_made_one_by_one_belong_to_the_study(tmp_path: Path) -> None:
    run_directory(tmp_path, NAME, state="done", overrides=["strategy=margin"])
    other = Cell("from/where/it/was/launched", "multilabel/tiny/random/seed0", ("seed=0",), "g")
    write_launch(str(tmp_path), Launch(now(), "train", "/", (other,)))
    cells = {cell.name: cell for cell in study_cells(tmp_path, [Launch(now(), "train", "/", (other,))])}
    assert cells[NAME].overrides == ("strategy=margin",)
    assert cells[other.name].folder == tmp_path / other.name, "a study is found where it lies now"


def test_a_cell_that_has_ended_took_the_time_between() -> None:
    cell = Cell("s", NAME, (), "")
    assert CellState(cell, "done", start=T[0], end=T[4]).seconds == 4
    assert CellState(cell, "stale", start=T[0]).seconds is None
    assert json.dumps(CellState(cell, "missing").seconds) == "null"
