"""Grids on one machine: in one process, in several, and launched twice at the same time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from coilal.results.run_files import read_status
from coilal.results.store import read_queries
from tests.conftest import SMALL
from tests.e2e.test_run import without_times

pytestmark = pytest.mark.slow


def start(folder: Path, cache: Path, *overrides: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "coilal.train", "-m", *SMALL, "study=grid", f"cache.dir={cache}", *overrides]
    return subprocess.Popen(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return out


def launches(study: Path) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in (study / ".multirun").glob("grid-*.json")]
    return sorted(found, key=lambda launch: str(launch["time"]))


def results(study: Path) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    folders = [path.parent for path in study.glob("*/*/*/seed*/status.json")]
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
        start(tmp_path, cache, *grid, "hydra/launcher=local"),
        start(tmp_path, cache, *grid),
        start(tmp_path / "alone", cache, *grid),
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
    assert "multiclass/tiny/entropy/seed2: " in err
    assert "    | " in err, "the last lines of the traceback"
    assert read_status(study / "multiclass/tiny/entropy/seed2")["state"] == "failed"


def test_cells_that_share_a_directory_are_refused_before_anything_is_written(tmp_path: Path, cache: Path) -> None:
    process = start(tmp_path, cache, "budget.query=8,16")
    _, err = process.communicate(timeout=600)
    assert process.returncode == 2
    assert "same run directory" in err
    assert not list((tmp_path / "outputs").rglob("grid-*.json"))
