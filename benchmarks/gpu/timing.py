"""Times of work on a device: medians of repeats, each long enough to be measured."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch


def seconds_of(work: Callable[[], object], device: torch.device, least_s: float = 0.5, repeats: int = 3) -> float:
    """Return the seconds that a piece of work takes on a device: the median of repeats.

    Args:
        work: done a few times untimed first: compiled code and libraries choose their kernels then.
        device: waited for before a clock is read.
        least_s: a repeat does the work until so much time has gone.
        repeats: of the measurement.
    """
    for _ in range(2):
        work()
    once = _timed(work, 1, device)
    times = max(1, round(least_s / once))
    return statistics.median(_timed(work, times, device) / times for _ in range(repeats))


def _timed(work: Callable[[], object], times: int, device: torch.device) -> float:
    _wait_for(device)
    start = time.perf_counter()
    for _ in range(times):
        work()
    _wait_for(device)
    return time.perf_counter() - start


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
