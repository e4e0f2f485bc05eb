"""The commands as a user types them, in processes of their own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.commands import command
from tests.conftest import SMALL

pytestmark = pytest.mark.slow


def test_help_explains_the_groups_with_examples(tmp_path: Path) -> None:
    done = command("coilal.train", "--help", cwd=tmp_path)
    assert done.returncode == 0
    groups = ("data", "model", "task", "strategy", "budget", "trainer", "logger", "hparams", "experiment")
    assert all(f"  {group}  " in done.stdout for group in groups)
    assert done.stdout.count("python -m coilal.train") >= 3
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("asked", ["--help", "-h"])
def test_help_of_check_says_what_it_does(tmp_path: Path, asked: str) -> None:
    done = command("coilal.check", asked, cwd=tmp_path)
    assert done.returncode == 0
    assert "without training" in done.stdout
    assert "python -m coilal.check data=" in done.stdout
    assert "Exit code" in done.stdout


@pytest.mark.parametrize("entry", ["coilal.train", "coilal.check"])
def test_a_wrong_value_ends_with_code_2_and_leaves_nothing(tmp_path: Path, entry: str) -> None:
    done = command(entry, "force=no", "seed=x", cwd=tmp_path)
    assert done.returncode == 2
    assert "force is 'no'; allowed: true or false" in done.stderr
    assert "seed is 'x'; allowed: a whole number" in done.stderr
    assert done.stderr.startswith("error: "), "nothing of Hydra's in front"
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("sweep", [["-m", "seed=0,1"], []])
def test_a_secret_is_refused_and_stands_nowhere(tmp_path: Path, sweep: list[str]) -> None:
    done = command("coilal.train", *sweep, "logger=wandb", "+logger.wandb.api_key=abcdefghij", cwd=tmp_path)
    assert done.returncode == 2
    assert "wandb login" in done.stderr
    assert "abcdefghij" not in done.stdout + done.stderr
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


@pytest.mark.parametrize("sweep", [["-m", "seed=0,1"], []])
def test_a_secret_among_hydras_own_settings_is_refused(tmp_path: Path, sweep: list[str]) -> None:
    done = command("coilal.train", *sweep, "+hydra.job.env_set.WANDB_API_KEY=abcdefghij", cwd=tmp_path)
    assert done.returncode == 2
    assert "abcdefghij" not in done.stdout + done.stderr
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_a_grid_runs_and_one_failing_cell_does_not_take_the_others_down(tmp_path: Path, cache: Path) -> None:
    done = command(
        "coilal.train", "-m", "task=multilabel", "strategy=margin,random,avg_confidence", *SMALL,
        "hydra.launcher.processes=1", f"cache.dir={cache}", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert "avg_confidence" in done.stderr, "the refusal of margin names what fits"
    assert "Traceback" not in done.stderr
    runs = {path.parents[2].name for path in (tmp_path / "outputs").rglob("status.json")}
    assert runs == {"random", "avg_confidence"}
    (line,) = re.findall(r".* cycle 2/2 .*", done.stdout)  # of both, where output is no terminal
    assert re.search(r"multilabel · tiny · 2 runs .*0\.\d+ to 0\.\d+ \(2 runs\)", line)
    assert done.stdout.count("curve.png") == 2
    assert "Warning" not in done.stderr


def test_the_output_of_several_processes_is_in_their_logs(tmp_path: Path, cache: Path) -> None:
    done = command(
        "coilal.train", "-m", "seed=0,1", *SMALL, "hydra.launcher.processes=2", f"cache.dir={cache}", cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"#{number} done: outputs/" in done.stdout for number in (0, 1))
    logs = [log.read_text() for log in (tmp_path / "outputs/default/.multirun/logs").iterdir()]
    assert len(logs) == 2
    assert sum(log.count("cycle 2/2") for log in logs) == 2
    assert sum("curve.png" in log for log in logs) == 2
    for curve in (tmp_path / "outputs").rglob("curve.png"):
        with Image.open(curve) as picture:
            picture.verify()


def test_a_typo_ends_with_code_2_and_a_hint(tmp_path: Path) -> None:
    done = command("coilal.train", "budget.querry=3", cwd=tmp_path)
    assert done.returncode == 2
    assert "Did you mean budget.query" in done.stderr
    assert "Traceback" not in done.stderr
    assert not any(tmp_path.iterdir())


def test_an_unreachable_hub_ends_within_15_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    done = subprocess.run(
        [sys.executable, "-m", "coilal.train", "model=dino_s"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=15,
    )  # fmt: skip
    assert done.returncode == 2
    assert "model.weights=" in done.stderr
    assert not (tmp_path / "outputs").exists()


def test_check_lists_every_problem_and_writes_nothing(tmp_path: Path, cache: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for coil in range(12):
        for number in range(4):
            name = f"Spule{coil:03d}_Image{number:04d}.png"
            Image.fromarray(rng.integers(0, 255, (20, 30), dtype=np.uint8)).save(images / name)
            rows.append((name, number % 2, number // 2, 0))
    table = pd.DataFrame(rows, columns=["Image", "1_Doppelwindung", "2_Luecke", "3_Kreuzung"])
    table.loc[3, "3_Kreuzung"] = 7
    table = pd.concat([table, table.iloc[[5]]])
    table.to_csv(tmp_path / "labels.csv", index=False)
    (images / rows[8][0]).unlink()
    whole = (images / rows[9][0]).read_bytes()
    (images / rows[9][0]).write_bytes(whole[: len(whole) // 2])
    (images / rows[10][0]).write_bytes(b"no image")
    (images / rows[11][0]).write_bytes((images / rows[12][0]).read_bytes())
    data = ["data=coils", f"data.root={images}", f"data.labels={tmp_path / 'labels.csv'}", f"cache.dir={cache}"]
    for entry in ("coilal.check", "coilal.train"):
        done = command(entry, *data, cwd=tmp_path)
        assert done.returncode == 2, done.stdout + done.stderr
        for place in (rows[8][0], rows[9][0], rows[10][0], rows[11][0], rows[5][0], "7"):
            assert place in done.stderr
        assert not (tmp_path / "outputs").exists()
