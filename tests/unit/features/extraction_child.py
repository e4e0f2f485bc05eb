"""The process that the cache's tests kill, or let run beside another one."""

from __future__ import annotations

import os
import signal
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

import coilal.common.array_store.build
from coilal.common.types import DecodedImages
from coilal.features.boundary import CacheSettings, Prefix, boundary_outputs
from tests.unit.features.families import backbone, size

NAME, TRAINABLE, COUNT = "mobilenetv2_050", 1, 100


def images() -> DecodedImages:
    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 1, *size(NAME)), dtype=np.uint8)
    return DecodedImages(pixels, "abc", np.zeros(len(pixels), np.uint64))


def extract(folder: Path, kill_at: int = -1) -> list[int]:
    """Extract, and return the images of each forward pass; die at pass number ``kill_at``."""
    torch.set_num_threads(1)
    net = backbone(NAME, TRAINABLE)
    compute, seen = net.prefix, []

    def counted(batch: torch.Tensor) -> torch.Tensor:
        if len(batch) > 1:  # one image is the probe
            seen.append(len(batch))
        if len(seen) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return compute(batch)

    net.prefix = counted  # type: ignore[method-assign]
    prefix = Prefix({}, net.trainable, lambda: net)
    boundary_outputs(prefix, images(), CacheSettings(folder), torch.device("cpu"), nullcontext)
    return seen


def work(folder: str, kill_at: int) -> None:
    """Extract with a commit after every batch, and leave a note of the forward passes."""
    coilal.common.array_store.build.COMMIT_S = 0.0
    seen = extract(Path(folder), kill_at)
    (Path(folder) / f"batches{os.getpid()}").write_text(" ".join(map(str, seen)))
