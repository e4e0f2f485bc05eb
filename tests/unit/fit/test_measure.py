"""What a phase costs."""

from __future__ import annotations

import mmap

import numpy as np
import psutil
import pytest
import torch

from coilal.fit import measure
from coilal.fit.measure import peak_memory, seconds

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


@pytest.mark.slow
def test_peak_memory_grows_by_what_is_held() -> None:
    before, now = peak_memory(CPU), psutil.Process().memory_info().rss
    # 100 MB more than there ever was, and pages of its own: the heap may hold much that was freed.
    with mmap.mmap(-1, int(before["peak_memory_mb"] * 1e6) - now + 100_000_000) as held:
        np.frombuffer(held, dtype=np.uint8)[:] = 1
        assert peak_memory(CPU)["peak_memory_mb"] >= before["peak_memory_mb"] + 50
    assert set(before) == {"peak_memory_mb"}
    assert before["peak_memory_mb"] > 50
