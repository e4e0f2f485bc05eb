"""The precisions in which features are extracted and stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.precision.rounding import bf16_products, tf32_products, to_bf16
from coilal.common.threads import ALL, all_threads
from coilal.common.types import ImageArray
from coilal.features.backbone import Backbone
from coilal.features.computation import Computation
from coilal.features.extract import CPU_BATCH, GPU_BATCH
from coilal.features.fold import folded
from coilal.features.heap import keep_freed_memory
from coilal.runs.precision import set_tf32

Products = Literal["float32", "tf32", "bf16 weights", "bf16 autocast"]


@dataclass(frozen=True)
class Variant:
    """A way of extracting and storing features, and of drawing the heads that are trained on them.

    Attributes:
        name: for people.
        products: how the network computes.
        stored: numpy's name of the type in which features are stored; they are trained on as float32.
        odd: whether batches are smaller, one thread computes them and BatchNorm is not folded.
        redrawn: whether the heads have other initial weights and random numbers.
    """

    name: str
    products: Products = "float32"
    stored: str = "float32"
    odd: bool = False
    redrawn: bool = False

    @property
    def computed(self) -> Variant:
        """How the network computes: the same for variants that share its outputs."""
        return replace(self, name="", stored="float32", redrawn=False)

    def as_stored(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return features after they were stored and read again."""
        return features.astype(self.stored).astype(np.float32)


VARIANTS = (
    Variant("float32"),
    Variant("float32, other kernels", odd=True),
    Variant("float16 storage", stored="float16"),
    Variant("TF32", products="tf32"),
    Variant("bf16 weights", products="bf16 weights"),
    Variant("bf16 autocast", products="bf16 autocast", stored="float16"),  # as cache.precision=auto stores it
    Variant("float32, heads redrawn", redrawn=True),
)
"""All of them, the reference first."""


def extract(backbone: Backbone, images: ImageArray, variant: Variant, device: torch.device) -> NDArray[np.float32]:
    """Return the features (N, D) of images uint8 (N, C, H, W), before they are stored.

    A GPU computes as coilal does there; a CPU rounds as it would, see ``benchmarks.precision.rounding``.
    """
    backbone.to(device)
    first = _batch(images[:1], device)
    with _threads(variant), torch.inference_mode():
        if device.type == "cuda":
            size, computing = GPU_BATCH, _on_a_gpu(backbone, variant, device)
        else:
            keep_freed_memory()
            size, computing = CPU_BATCH, _on_a_cpu(backbone, variant, first)
        with computing:
            return _features(backbone, images, size // 3 if variant.odd else size, device)


def _features(backbone: Backbone, images: ImageArray, size: int, device: torch.device) -> NDArray[np.float32]:
    starts = range(0, len(images), size)
    parts = [backbone.prefix(_batch(images[start : start + size], device)).float().cpu() for start in starts]
    features: NDArray[np.float32] = torch.cat(parts).numpy()
    return features


@contextmanager
def _on_a_gpu(backbone: Backbone, variant: Variant, device: torch.device) -> Iterator[None]:
    autocast = partial(torch.autocast, "cuda", torch.bfloat16)
    precision = autocast if variant.products == "bf16 autocast" else nullcontext
    weights = torch.bfloat16 if variant.products == "bf16 weights" else None
    set_tf32(variant.products == "tf32", device)
    try:
        with Computation(device, precision, weights).of(backbone):
            yield
    finally:
        set_tf32(False, device)


@contextmanager
def _on_a_cpu(backbone: Backbone, variant: Variant, first: Tensor) -> Iterator[None]:
    """Compute as coilal does on a CPU or, what is for a GPU, without folding, as it does there."""
    with ExitStack() as contexts:
        if variant.products in ("float32", "bf16 autocast") and not variant.odd:
            contexts.enter_context(folded(backbone.net, lambda: backbone.prefix(first)))
        if variant.products == "tf32":
            contexts.enter_context(tf32_products(backbone.net))
        elif variant.products != "float32":
            contexts.enter_context(bf16_products(backbone.net))
        if variant.products == "bf16 autocast":
            prefix = backbone.prefix
            contexts.callback(delattr, backbone, "prefix")
            backbone.prefix = lambda images: to_bf16(prefix(images))  # type: ignore[method-assign]
        yield


def _threads(variant: Variant) -> AbstractContextManager[None]:
    return _one_thread() if variant.odd else all_threads()


@contextmanager
def _one_thread() -> Iterator[None]:
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(ALL)


def _batch(pixels: ImageArray, device: torch.device) -> Tensor:
    batch = torch.from_numpy(np.array(pixels)).contiguous(memory_format=torch.channels_last)
    return batch.to(device)
