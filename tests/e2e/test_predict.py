"""From rendered coils to tables of predictions and one file, as a user types it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.commands import command

pytestmark = pytest.mark.slow

SETTINGS = [
    "data=coils",
    "data.root=photos",
    "data.image.size=[56,42]",
    "budget=small",
    "budget.cycles=1",
    "trainer.max_epochs=3",
    "trainer.accelerator=cpu",
]
RUN = "outputs/line3/multiclass/tiny/entropy/split0/seed0"


def test_a_run_is_used_on_the_command_line(tmp_path: Path) -> None:
    made = command(
        "coilal.render", "--out", "photos", "--coils", "12", "--images-per-coil", "12", "--format", "png",
        cwd=tmp_path,
    )  # fmt: skip
    assert made.returncode == 0
    cache = f"cache.dir={tmp_path}/cache"
    assert command("coilal.train", *SETTINGS, "study=line3", cache, cwd=tmp_path).returncode == 0

    done = command("coilal.predict", f"run={RUN}", "data.root=photos", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "operating point: at most 5 % of the good validation images" in done.stdout
    assert "144 images" in done.stdout
    images = pd.read_csv(tmp_path / "predictions.csv").set_index("image")
    stored = np.load(tmp_path / RUN / "predictions.npz")
    ours = images.loc[stored["images"], [f"probability/{name}" for name in stored["names"]]]
    np.testing.assert_allclose(ours, stored["probabilities"], atol=1e-5)
    groups = pd.read_csv(tmp_path / "predictions_groups.csv")
    assert groups["views"].tolist() == [12] * 12

    refused = command("coilal.predict", f"run={RUN}", "data.root=photos", "data.image.mode=RGB", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: images must be stored as")
    refused = command("coilal.predict", f"run={RUN}", "data.rot=photos", cwd=tmp_path)
    assert refused.returncode == 2
    assert "it knows run=RUNDIR, data.root=FOLDER" in refused.stderr

    done = command("coilal.predict", f"run={RUN}", "export=torchscript", "out=line3.pt", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "checked against the run's own predictions" in done.stdout
    assert (tmp_path / "line3.pt").is_file()


@pytest.mark.parametrize("asked", ["--help", "-h"])
def test_help_says_what_it_does(tmp_path: Path, asked: str) -> None:
    done = command("coilal.predict", asked, cwd=tmp_path)
    assert done.returncode == 0
    assert "python -m coilal.predict run=RUNDIR data.root=FOLDER" in done.stdout
    assert "export=onnx" in done.stdout
    assert not list(tmp_path.iterdir())
