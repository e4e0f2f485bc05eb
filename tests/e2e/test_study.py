"""Every row of the study in small, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coilal.run_directory.store import read_queries
from tests.commands import command

pytestmark = pytest.mark.slow


def output_of(*typed: str, cwd: Path) -> str:
    done = command(*typed, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_row_of_the_study_runs_in_one_command_and_is_one_study(tmp_path: Path, cache: Path) -> None:
    train = ("coilal.train", "-m", "experiment=smoke", f"cache.dir={cache}", "trainer.accelerator=cpu")
    out = output_of(*train, "data.source.images_per_coil=4", cwd=tmp_path)
    assert "22 cells: 22 done" in out
    status: dict[str, Any] = json.loads(output_of("coilal.status", "study=smoke", "--json", cwd=tmp_path))
    assert status["counts"]["done"] == len(status["cells"]) == 22
    assert {(cell["model"], cell["task"]) for cell in status["cells"]} == {
        *((model, "multiclass") for model in ("dino_l", "dino_s", "effnet")),
        *((model, "multilabel") for model in ("dino_l", "dino_s", "effnet")),
        ("dino_s", "multilabel_from_multiclass"),
    }
    folder = tmp_path / "outputs" / "smoke"
    for name in ("random", "entropy", "margin", "uncertainty"):
        source = read_queries(folder / "multiclass/dino_s" / name / "split0" / "seed0")
        replayed = read_queries(folder / "multilabel_from_multiclass/dino_s" / name / "split0" / "seed0")
        assert replayed["image"].tolist() == source["image"].tolist()


def test_a_grid_without_m_is_refused(tmp_path: Path) -> None:
    done = command("coilal.train", "experiment=smoke", cwd=tmp_path)
    assert done.returncode == 2
    assert "python -m coilal.train -m" in done.stderr
    assert not any(tmp_path.iterdir())
