"""What a phase costs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from coilal.fit import measure
from coilal.fit.measure import seconds

GPU, CPU = torch.device("cuda", 0), torch.device("cpu")


def test_the_clock_is_read_when_the_device_has_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[object] = []
    monkeypatch.setattr(torch.accelerator, "synchronize", happened.append)
    monkeypatch.setattr(measure.time, "perf_counter", lambda: (happened.append("clock"), 1.5)[1])
    assert seconds(GPU) == 1.5
    assert happened == [GPU, "clock"]
    happened.clear()
    seconds(CPU)
    assert happened == ["clock"]


IN_A_NEW_PROCESS = """
import json, numpy as np, torch
from coilal.fit.measure import peak_memory
device = torch.device("cpu")
before = peak_memory(device)
held = np.ones(int((before["peak_memory_mb"] + 100) * 1e6 / 8))
print(json.dumps([before, held.nbytes, peak_memory(device)]))
"""


@pytest.mark.slow
def test_peak_memory_grows_by_what_is_held() -> None:
    """In a process that never held as much as this one may have."""
    told = subprocess.run([sys.executable, "-c", IN_A_NEW_PROCESS], capture_output=True, text=True, check=True)
    before, held, after = json.loads(told.stdout)
    assert after["peak_memory_mb"] >= held / 1e6
    assert set(before) == {"peak_memory_mb"}
    assert before["peak_memory_mb"] > 50
