"""A run whose names are not ASCII, on a machine whose locale knows nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coilal.run_directory.store import read_queries

pytestmark = pytest.mark.slow

SETTINGS = [
    *("data=coils", "data.root=data", "data.image.size=[28,28]", "budget.initial=4", "budget.query=4"),
    *("budget.cycles=1", "trainer.max_epochs=2", "trainer.accelerator=cpu", "cache.dir=cache"),
    *("strategy=random", "data.source.group_column=group"),
]


def test_a_run_begins_and_goes_on_in_any_locale(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    rows = ["image,label,group"]
    for number in range(40):
        pixels = np.random.default_rng(number).integers(0, 255, (32, 32), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / f"{number}.png")
        rows.append(f"{number}.png,{'größer' if number % 2 else 'schön'},Spüle{number // 2 % 10}")
    (tmp_path / "data" / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    # PYTHONIOENCODING: what a terminal cannot show is no matter of files
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "utf-8"}
    run = tmp_path / "outputs" / "default" / "multiclass" / "tiny" / "random" / "split0" / "seed0"
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "coilal.train", *SETTINGS],
            cwd=tmp_path, env={**os.environ, **locale}, capture_output=True, encoding="utf-8", check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert set(read_queries(run)["label"]) == {"größer", "schön"}
        status = json.loads((run / "status.json").read_text(encoding="utf-8"))
        status = {**status, "state": "running"}  # as if it had been killed before the end
        (run / "status.json").write_text(json.dumps(status), encoding="utf-8")
