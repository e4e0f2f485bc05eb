"""Images per second of coilal's extraction, from images in memory to a file in the cache."""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

import torch

from coilal.common.types import DecodedImages
from coilal.features import extract
from coilal.features.backbone import Backbone
from coilal.features.boundary import CacheSettings, Prefix, boundary_outputs

WARM_UP = 300  # images that are extracted first, untimed


def extraction_rate(
    backbone: Backbone,
    images: DecodedImages,
    work: Path,
    device: torch.device,
    weights: torch.dtype | None = None,
    compiled: bool = False,
    repeats: int = 3,
) -> float:
    """Return the images/s of an extraction: the median of repeats, the start of the process and compiling left out.

    Args:
        backbone: with random weights, cut.
        images: uint8 (N, 1, H, W).
        work: folder in which the caches lie.
        device: what computes.
        weights: type of the frozen weights.
        compiled: whether torch.compile is used; else it is not, whatever the number of images. The time that it
            takes is that of a warm start: its code is in torch's cache.
        repeats: of which the median is taken.
    """

    def seconds(count: int) -> float:
        some = DecodedImages(images.pixels[:count], "", images.digests[:count])
        with tempfile.TemporaryDirectory(dir=work) as folder, patch.object(extract, "repays", lambda *_: compiled):
            start = time.perf_counter()
            cache = CacheSettings(Path(folder), memory_gb=0)
            boundary_outputs(
                Prefix({}, backbone.trainable, lambda: backbone), some, cache, device, nullcontext, weights=weights
            )
            return time.perf_counter() - start

    seconds(min(WARM_UP, len(images.pixels)))
    return len(images.pixels) / statistics.median(seconds(len(images.pixels)) for _ in range(repeats))
