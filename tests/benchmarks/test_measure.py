from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from benchmarks.measure import macro_f1, smallest_margins

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("seed", range(5))
def test_macro_f1_is_that_of_scikit_learn(seed: int) -> None:
    generator = np.random.default_rng(seed)
    targets, predicted = generator.integers(0, 6, 40), generator.integers(0, 7, 40)
    assert macro_f1(targets, predicted, 9) == pytest.approx(f1_score(targets, predicted, average="macro"))


def test_smallest_margins_come_first() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.3, 0.4, 0.3], [0.5, 0.3, 0.2], [0.34, 0.33, 0.33]])
    assert smallest_margins(probabilities, 3).tolist() == [3, 1, 2]


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_peak_memory_sees_what_was_freed_again() -> None:
    # In a process of its own: one that has kept freed memory would give the block from there.
    code = (
        "import numpy as np; from benchmarks.measure import PeakMemory; peak = PeakMemory();"
        "block = np.ones(256_000_000, dtype=np.uint8); del block; print(peak.megabytes())"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=REPOSITORY, text=True, capture_output=True, check=True)
    assert 230 < float(done.stdout) < 300
