"""What a process imports: time from command to first work is paid in every one of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SMALL

pytestmark = pytest.mark.slow

PROBE = """
import json, runpy, sys
sys.argv[0] = "coilal.train"
try:
    runpy.run_module("coilal.train", run_name="__main__")
except SystemExit as exit:
    assert not exit.code, exit.code
print(json.dumps(sorted(sys.modules)))
"""


def imported(*arguments: str, cwd: Path) -> set[str]:
    """Return the modules that ``python -m coilal.train`` has imported at its end."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_help_imports_nothing_that_is_only_needed_to_run(tmp_path: Path) -> None:
    modules = imported("--help", cwd=tmp_path)
    assert "hydra" in modules
    assert not modules & {
        "torch",
        "transformers",
        "matplotlib",
        "pandas",
        "scipy",
        "PIL",
        "pytorch_lightning",
        "timm",
    }


def test_the_launcher_of_a_grid_imports_neither_tables_nor_torch(tmp_path: Path) -> None:
    grid = [
        "-m",
        "seed=0,1",
        "hydra.launcher.processes=2",
        *SMALL,
        "budget.cycles=0",
        f"cache.dir={tmp_path}/cache",
    ]
    modules = imported(*grid, cwd=tmp_path)
    assert "coilal.sweep.processes" in modules
    assert not modules & {"torch", "pandas", "matplotlib"}, "only its workers compute"


def test_a_wrong_budget_is_told_before_torch_is_imported(tmp_path: Path) -> None:
    probe = PROBE.replace("assert not exit.code, exit.code", "assert exit.code == 2, exit.code")
    done = subprocess.run(
        [sys.executable, "-c", probe, "budget.labelled=[8,4]"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "must grow" in done.stderr
    assert "torch" not in json.loads(done.stdout.splitlines()[-1])


def test_a_run_imports_only_what_its_settings_name(tmp_path: Path) -> None:
    settings = [*SMALL, "budget.cycles=0", f"cache.dir={tmp_path}/cache"]
    modules = imported(*settings, cwd=tmp_path)
    assert {"torch", "timm", "pandas"} <= modules
    not_asked_for = {
        *("transformers", "wandb", "scipy.signal"),
        *("sklearn", "tensorboard", "tensorboardX", "mlflow", "comet_ml", "IPython"),
        *("coilal.features.transformers_trunk", "coilal.data.table", "coilal.data.folder", "coilal.pretrain"),
        *("transformers.models.dinov2.modeling_dinov2", "transformers.modeling_utils"),
    }
    assert not modules & not_asked_for
    further = imported(*settings, "seed=1", cwd=tmp_path)
    assert not further & {"timm", "coilal.features.timm_trunk"}, "its features are stored"
