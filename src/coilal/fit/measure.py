"""What a run costs: seconds of a phase, peak memory. Measurements of the machine, not results."""

from __future__ import annotations

import resource
import sys
import time

import torch

# ru_maxrss counts kibibytes, on macOS bytes.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def seconds(device: torch.device) -> float:
    """Return a monotonic clock in seconds, read when the device has finished what was asked of it."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return time.perf_counter()


def reset_peak_memory(device: torch.device) -> None:
    """Let the device's peak begin anew; the peak of the process cannot be reset."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> dict[str, float]:
    """Return peaks in megabytes (10⁶ bytes).

    ``peak_memory_mb`` is the resident memory of the process since it began, other runs in it and mapped
    pages of the cache included. On a CUDA device also ``device_peak_memory_mb``: what tensors took there
    since ``reset_peak_memory``.
    """
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT
    row = {"peak_memory_mb": round(peak / 1e6, 1)}
    if device.type == "cuda":
        row["device_peak_memory_mb"] = round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    return row
