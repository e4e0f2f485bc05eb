"""The results as Markdown, and what they were measured on."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime

import torch

from benchmarks import machine
from benchmarks.gpu.parts import Found
from benchmarks.table import goal_table


def document(found: Mapping[str, Found], failed: Mapping[str, str], seconds: float, card: str) -> str:
    """Return the whole file.

    Args:
        found: what each part has measured.
        failed: the parts that could not be measured, and why.
        seconds: that all of it took.
        card: what it was measured on.
    """
    goals = [goal for part in found.values() for goal in part.goals]
    figures = {name: value for part in found.values() for name, value in part.figures.items()}
    lines = [
        "# What a GPU does with coilal",
        "",
        f"Written by `python -m benchmarks.gpu` in {seconds:.0f} s, {datetime.now(UTC):%Y-%m-%d}; do not edit. "
        f"{card} {machine.describe()}",
        "",
        "Random weights; rendered images of 476 × 364, repeated with noise. The same work by bare torch stands "
        "beside coilal's, from the same process: its images lie on the device, coilal's in the memory of the host, "
        "and coilal's outputs go to a file. Medians of three; whole processes once.",
        "",
        *goal_table(goals),
    ]
    lines += ["", *(f"- {name} was not measured: {reason}" for name, reason in failed.items())] if failed else []
    lines += ["", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in figures.items())]
    return "\n".join(lines) + "\n"


def describe_card(device: torch.device) -> str:
    """Return card, memory, driver and CUDA, in a sentence."""
    properties = torch.cuda.get_device_properties(device)
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    driver = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split("\n")[0].strip()
    memory = properties.total_memory / 2**30
    return (
        f"Card: {properties.name}, {memory:.0f} GiB, driver {driver or 'unknown'}, CUDA {torch.version.cuda}, "
        f"cuDNN {torch.backends.cudnn.version()}."
    )
