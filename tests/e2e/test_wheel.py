"""The installed package, away from the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_wheel_brings_its_configuration(tmp_path: Path) -> None:
    uv = os.environ.get("UV") or shutil.which("uv")
    assert uv, "the project is installed and tested with uv"
    environment = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONPATH")}

    def call(*command: str | Path, cwd: Path) -> str:
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    call(uv, "build", "--wheel", "--out-dir", tmp_path / "dist", cwd=REPOSITORY)
    (wheel,) = (tmp_path / "dist").glob("coilal-*.whl")
    call(uv, "venv", tmp_path / "venv", cwd=REPOSITORY)
    python = tmp_path / "venv" / "bin" / "python"
    call(uv, "pip", "install", "--no-compile-bytecode", "--python", python, wheel, cwd=REPOSITORY)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    where = call(python, "-c", "import coilal; print(coilal.__file__)", cwd=elsewhere)
    assert str(tmp_path) in where
    composed = call(python, "-m", "coilal.train", "--cfg", "job", "strategy=margin", cwd=elsewhere)
    assert "name: margin" in composed
    code = "from coilal.features.weights import resolve; print(resolve('packaged', None, 'tiny'))"
    weights = call(python, "-c", code, cwd=elsewhere)
    assert Path(weights.strip()).stat().st_size < 3_000_000
    assert not any(elsewhere.iterdir()), "asking for settings writes nothing"
