"""Grids whose cells are trained side by side in one process: whole, refused in part, killed, and one by one."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pandas as pd
import pytest

from coilal.run_directory.files import read_status
from tests.e2e.test_sweep import finish, results, start

pytestmark = pytest.mark.slow

ONE_PROCESS = "hydra.launcher.processes=1"
GRID = ["strategy=margin,random", "seed=0,1", ONE_PROCESS, "budget.cycles=4", "trainer.max_epochs=40"]
WHOLE = (
    *("config.yaml", "status.json", "splits.csv", "cycles.csv", "queries.csv", "predictions.npz", "curve.png"),
    *("checkpoints/state.json", "checkpoints/session.jsonl", "checkpoints/model.safetensors"),
)


def assert_same(one: Path, other: Path) -> None:
    found, expected = results(one), results(other)
    assert found.keys() == expected.keys()
    for name, (cycles, queries) in expected.items():
        pd.testing.assert_frame_equal(found[name][0], cycles, check_exact=True, obj=f"cycles of {name}")
        pd.testing.assert_frame_equal(found[name][1], queries, check_exact=True, obj=f"queries of {name}")


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The study of GRID, each cell trained alone."""
    folder = tmp_path_factory.mktemp("one_by_one")
    out = finish(start(folder, cache, *GRID, "hydra.launcher.together=1"))
    assert "side by side" not in out
    return folder / "outputs" / "grid"


def test_a_stack_leaves_whole_runs_and_those_that_are_refused_stop_no_other(
    tmp_path: Path, cache: Path, one_by_one: Path
) -> None:
    finish(start(tmp_path, cache, "strategy=uncertainty", "budget.cycles=1"))  # another run than the grid's
    process = start(tmp_path, cache, *GRID, "strategy=margin,random,uncertainty,avg_confidence")
    out, err = process.communicate(timeout=600)
    assert process.returncode == 2, err
    # One is refused before there are jobs, two by the stack.
    assert "7 of 7 cells side by side, up to 7 at a time" in out
    assert "3 of 8 cells failed" in err
    assert "multiclass/tiny/uncertainty/split0/seed0: " in err
    assert "holds a run with other settings" in err
    assert "multiclass/tiny/avg_confidence/split0/seed0, multiclass/tiny/avg_confidence/split0/seed1" in err
    study = tmp_path / "outputs" / "grid"
    for run in one_by_one.glob("*/*/*/split0/seed*"):
        stacked = study / run.relative_to(one_by_one)
        assert [name for name in WHOLE if not (stacked / name).is_file()] == []
    assert read_status(study / "multiclass/tiny/uncertainty/split0/seed1")["state"] == "done"
    for name in ("uncertainty", "avg_confidence"):
        for seed in (0, 1):
            (study / f"multiclass/tiny/{name}/split0/seed{seed}/status.json").unlink(missing_ok=True)
    assert_same(study, one_by_one)


def test_a_stack_that_is_killed_goes_on_with_the_same_command(
    tmp_path: Path, cache: Path, one_by_one: Path
) -> None:
    process = start(tmp_path, cache, *GRID)
    study, until = tmp_path / "outputs" / "grid", time.monotonic() + 300
    while not any(study.glob("*/*/*/split0/seed*/checkpoints/state.json")):
        assert process.poll() is None, process.communicate(timeout=60)
        assert time.monotonic() < until
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    states = [read_status(run.parent)["state"] for run in study.glob("*/*/*/split0/seed*/status.json")]
    assert "running" in states, "it was killed in the middle"

    finish(start(tmp_path, cache, *GRID))
    assert_same(study, one_by_one)
