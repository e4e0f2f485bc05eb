"""A SLURM to run grids on: that of the environment, or the one that scripts/slurm-local started."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SMALL

SCRIPT = Path(__file__).parents[2] / "scripts" / "slurm-local"
PATIENCE_S = 900  # for what takes seconds to a minute on an idle machine
JOBS = ["hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=2"]


def unavailable() -> str | None:
    """Return why no SLURM can be used, or None."""
    if shutil.which("squeue") is None:
        return "SLURM is not installed"
    if "SLURM_CONF" not in os.environ and not Path("/etc/slurm/slurm.conf").exists():
        answer = subprocess.run([SCRIPT, "env"], capture_output=True, text=True, check=True).stdout
        os.environ["SLURM_CONF"] = answer.strip().partition("=")[2]
    try:
        answer = subprocess.run(
            ["sinfo", "-h", "-o", "%t"], capture_output=True, text=True, check=False, timeout=120
        )
    except subprocess.TimeoutExpired:
        return "SLURM does not answer"
    if answer.returncode != 0 or not {"idle", "mix", "alloc"} & set(answer.stdout.split()):
        return f"SLURM has no node that takes jobs (scripts/slurm-local start): {answer.stderr or answer.stdout}"
    return None


@pytest.fixture(scope="session", autouse=True)
def slurm() -> None:
    reason = unavailable()
    if reason is None:
        return
    if os.environ.get("COILAL_REQUIRE_SLURM"):
        pytest.fail(reason)
    pytest.skip(reason)


class Study:
    """A folder in which multiruns are started as a user starts them."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder, self.root = folder, folder / "outputs" / "grid"
        self.settings = [*SMALL, "study=grid", f"cache.dir={cache}"]

    def start(self, *overrides: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "coilal.train", "-m", *self.settings, *overrides]
        return subprocess.Popen(command, cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def launch(self, *overrides: str) -> tuple[int, str, str]:
        """Return exit code, standard output and standard error of a multirun on SLURM."""
        process = self.start(*JOBS, *overrides)
        out, err = process.communicate(timeout=PATIENCE_S)
        return process.returncode, out, err

    def status(self) -> dict[str, Any]:
        command = [sys.executable, "-m", "coilal.status", "study=grid", "--json"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=True)
        content: dict[str, Any] = json.loads(done.stdout)
        return content

    def launches(self) -> list[dict[str, Any]]:
        """Return what is recorded of each launch, the oldest first."""
        found = [json.loads(path.read_text()) for path in (self.root / ".multirun").glob("grid-*.json")]
        return sorted(found, key=lambda launch: str(launch["time"]))

    def job(self, launch: int = 0, number: int = 0) -> str:
        return str(self.launches()[launch]["jobs"][number]["id"])


@pytest.fixture(scope="session")
def slurm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that is empty at first, so that the first jobs meet in it."""
    return tmp_path_factory.mktemp("slurm_cache")


@pytest.fixture
def study(tmp_path: Path, slurm_cache: Path) -> Study:
    return Study(tmp_path, slurm_cache)


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until something that other processes bring about is there."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {PATIENCE_S} s for {what}")
        time.sleep(0.2)
