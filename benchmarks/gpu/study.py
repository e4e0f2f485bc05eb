"""Commands of coilal as whole processes, and what their run directories say."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.process import REPOSITORY, environment

STRATEGIES, SEEDS = ("random", "margin", "entropy", "uncertainty"), 16
DINO = ("hparams=default", "model=dino_s", "trainer=gpu")


def train(study: str, work: Path, *overrides: str) -> float:
    """Run ``python -m coilal.train`` in a folder, and return its seconds from start to end.

    Args:
        study: name of the study.
        work: folder for cache and outputs.
        overrides: of settings; ``-m`` for a grid.

    Raises:
        RuntimeError: it failed; the end of what it said.
    """
    places = (f"study={study}", f"outputs={work / 'outputs'}", f"cache.dir={work / 'cache'}")
    command = [sys.executable, "-m", "coilal.train", *overrides, *places]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=REPOSITORY, env=environment(), capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {(done.stdout + done.stderr)[-2000:]}")
    return seconds


def grid(weights: Path) -> tuple[str, ...]:
    """Return the overrides of 64 cells of frozen DINOv2-S with the default budget."""
    seeds = ",".join(str(seed) for seed in range(SEEDS))
    return ("-m", *DINO, f"model.weights={weights}", f"strategy={','.join(STRATEGIES)}", f"seed={seeds}")


def cycles(study: str, work: Path) -> list[pd.DataFrame]:
    """Return the cycles.csv of each run of a study.

    Raises:
        FileNotFoundError: there is none.
    """
    files: Sequence[Path] = sorted((work / "outputs" / study).rglob("cycles.csv"))
    if not files:
        raise FileNotFoundError(f"no cycles.csv in {work / 'outputs' / study}")
    return [pd.read_csv(file) for file in files]


def fit_seconds(runs: Sequence[pd.DataFrame]) -> float:
    """Return the seconds of training of all runs together; what runs share counts once."""
    return float(sum(run["fit_s"].sum() for run in runs))


def steps(run: pd.DataFrame, batch: int, epochs: int = 50) -> int:
    """Return the training steps of a run."""
    return int(epochs * (-(-run["labelled"] // batch)).sum())
