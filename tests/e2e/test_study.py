"""Every row of the study in small, as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coilal.run_directory.store import read_queries

pytestmark = pytest.mark.slow


def command(module: str, *arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_row_of_the_study_runs_in_one_command_and_is_one_study(tmp_path: Path, cache: Path) -> None:
    train = ("coilal.train", "-m", "experiment=smoke", f"cache.dir={cache}", "trainer.accelerator=cpu")
    out = command(*train, "data.source.images_per_coil=4", cwd=tmp_path)
    assert "22 cells: 22 done" in out
    status: dict[str, Any] = json.loads(command("coilal.status", "study=smoke", "--json", cwd=tmp_path))
    assert status["counts"]["done"] == len(status["cells"]) == 22
    assert {(cell["model"], cell["task"]) for cell in status["cells"]} == {
        *((model, "multiclass") for model in ("dino_l", "dino_s", "effnet")),
        *((model, "multilabel") for model in ("dino_l", "dino_s", "effnet")),
        ("dino_s", "multilabel_from_multiclass"),
    }
    folder = tmp_path / "outputs" / "smoke"
    for name in ("random", "entropy", "margin", "uncertainty"):
        source = read_queries(folder / "multiclass/dino_s" / name / "seed0")
        replayed = read_queries(folder / "multilabel_from_multiclass/dino_s" / name / "seed0")
        assert replayed["image"].tolist() == source["image"].tolist()


def test_a_grid_without_m_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "coilal.train", "experiment=smoke"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "python -m coilal.train -m" in done.stderr
    assert not any(tmp_path.iterdir())
