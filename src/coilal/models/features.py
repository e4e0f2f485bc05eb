"""Outputs of a frozen prefix, computed once per data set and backbone and kept on disk."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from coilal.array_store import open_or_build
from coilal.models.backbone import Backbone
from coilal.models.heap import keep_freed_memory
from coilal.types import DecodedImages, ImageArray

log = logging.getLogger(__name__)

PREFIX_VERSION = 1  # to be raised when the same settings give other outputs
# Large activations are mapped and unmapped by the allocator each time: small batches are faster on a CPU.
CPU_BATCH, GPU_BATCH = 16, 256

Precision = Callable[[], AbstractContextManager[Any]]


def boundary_outputs(
    backbone: Backbone,
    images: DecodedImages,
    identity: dict[str, Any],
    cache: Path,
    device: torch.device,
    precision: Precision,
) -> ImageArray:
    """Return the outputs of the backbone's prefix for every image, row i for id i.

    With everything trainable these are the decoded images themselves. Otherwise they are computed
    once, as float32, and shared by all runs whose images, architecture, weights, boundary and
    precision are the same.

    Args:
        backbone: the cut network, in eval mode.
        images: uint8 (N, C, H, W).
        identity: everything that determines the prefix: architecture, weights, pooling, boundary, precision.
        cache: the cache folder.
        device: where to compute.
        precision: context in which the network runs (autocast).
    """
    backbone.to(device)
    backbone.to(memory_format=torch.channels_last)  # faster convolutions; other weights stay as they are
    if backbone.trainable == "all":
        return images.pixels
    key = _key({**identity, "images": images.fingerprint, "version": PREFIX_VERSION})
    with torch.inference_mode(), precision():
        one = _forward(backbone, images.pixels[:1], device)
    shape = (len(images.pixels), *one.shape[1:])

    def fill(array: NDArray[np.float32]) -> None:
        start = time.perf_counter()
        batch = CPU_BATCH if device.type == "cpu" else GPU_BATCH
        if device.type == "cpu":
            keep_freed_memory()
        with torch.inference_mode(), precision():
            for first in range(0, len(array), batch):
                rows = slice(first, first + batch)
                array[rows] = _forward(backbone, images.pixels[rows], device)
        seconds = time.perf_counter() - start
        log.info(
            "extracted %s of %d images in %.1f s (%.0f images/s), %.1f MB in the cache",
            "features" if backbone.trainable == "head" else "activations",
            *(len(array), seconds, len(array) / seconds, array.nbytes / 1e6),
        )

    return open_or_build(cache / "features" / f"{key}.npy", shape, np.float32, fill)


def _forward(backbone: Backbone, pixels: NDArray[np.uint8], device: torch.device) -> NDArray[np.float32]:
    batch = torch.from_numpy(np.array(pixels)).to(device, non_blocking=True)
    boundary = backbone.prefix(batch.contiguous(memory_format=torch.channels_last))
    values: NDArray[np.float32] = boundary.float().cpu().numpy()
    return values


def _key(identity: dict[str, Any]) -> str:
    text = json.dumps(identity, sort_keys=True, default=os.fspath)
    return hashlib.sha256(text.encode()).hexdigest()[:24]
