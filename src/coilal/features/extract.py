"""One pass of a frozen prefix over all images, in batches."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coilal.common.device_memory import BatchSize, free_memory
from coilal.common.pinned import stream, to_host
from coilal.common.types import ImageArray, IntArray, UserError
from coilal.features.backbone import Backbone
from coilal.features.compiled import compiled, repays
from coilal.features.computation import Computation
from coilal.features.fold import folded
from coilal.features.heap import keep_freed_memory

# Large activations are mapped and unmapped by the allocator each time: small batches are faster on a CPU.
CPU_BATCH, GPU_BATCH = 16, 256

# Images that the memory of a GPU's batch is measured with, and the share of the free memory that a batch may take:
# outputs of earlier batches wait there for their copy, and other processes may need some.
PROBE, SHARE = 16, 0.5

ADVICE = "Let no other process use the device, or choose a smaller model or data.image.size."


@dataclass(frozen=True)
class Extraction:
    """How a prefix is applied.

    Attributes:
        backbone: the cut network, in eval mode, on the device.
        computation: how its prefix is computed.
        shape: of the outputs of one image.
        dtype: type of the stored values, float32 or float16.
    """

    backbone: Backbone
    computation: Computation
    shape: tuple[int, ...]
    dtype: torch.dtype

    def blocks(self, images: ImageArray, ids: IntArray) -> Generator[NDArray[Any]]:
        """Yield the outputs of a batch of images after the other.

        On a CUDA device a thread reads the images, another one lets the device compute, and copies both ways run
        meanwhile: a block is overwritten after the next one was asked for.

        Args:
            images: uint8 (N, C, H, W).
            ids: those whose outputs are wanted, ascending.

        Raises:
            UserError: an output is not finite, or too large for ``dtype``; or the memory is too small for half a
                batch.
        """
        first = 0
        with closing(to_host(self._outputs(images, ids), self.computation.device)) as arrays:
            for outputs, finite in arrays:
                if not finite.all():
                    raise self._refusal(int(ids[first + int(np.argmin(finite))]))
                yield outputs
                first += len(outputs)

    def _outputs(self, images: ImageArray, ids: IntArray) -> Generator[tuple[Tensor, Tensor]]:
        """Yield for each batch the outputs (B, …), and whether those of each image are finite (B)."""
        with self.computation.of(self.backbone), self._prepared(images, len(ids)) as size:
            batch = BatchSize(self._what(), size, ADVICE)
            slices = (_rows(images, ids[first : first + size]) for first in range(0, len(ids), size))
            with closing(stream(slices, self.computation.device)) as batches:
                for pixels in batches:
                    outputs = batch.do(partial(self._computed, pixels)).to(self.dtype).contiguous()
                    yield outputs, torch.isfinite(outputs).flatten(1).all(1)

    @contextmanager
    def _prepared(self, images: ImageArray, count: int) -> Iterator[int]:
        """Make the network fast for so many images, in a way that suits the device, and yield a batch size."""
        device = self.computation.device
        with ExitStack() as contexts:
            if device.type == "cuda":
                size, seconds = self._measured(images)
                if self.computation.weights is not None and repays(count, seconds):
                    batch = self._first(images, 1).expand(size, -1, -1, -1)
                    contexts.enter_context(compiled(self.backbone, batch))
            else:
                if device.type == "cpu":
                    keep_freed_memory()
                size = CPU_BATCH if device.type == "cpu" else GPU_BATCH
                one = self._first(images, 1)
                contexts.enter_context(folded(self.backbone.net, lambda: self.backbone.prefix(one)))
            yield size

    def _measured(self, images: ImageArray) -> tuple[int, float]:
        """Return how many images a GPU computes at once, and the seconds for each, from a pass over a few."""
        device = self.computation.device

        def cost(count: int) -> tuple[float, float]:
            few = self._first(images, count)
            self.backbone.prefix(few)  # loads the kernels
            torch.cuda.synchronize(device)
            torch.cuda.reset_peak_memory_stats(device)
            held, begun = torch.cuda.memory_allocated(device), time.perf_counter()
            self.backbone.prefix(few)
            torch.cuda.synchronize(device)
            seconds = time.perf_counter() - begun
            return (torch.cuda.max_memory_allocated(device) - held) / len(few), seconds / len(few)

        bytes_per_image, seconds_per_image = BatchSize(self._what(), PROBE, ADVICE).do(cost)
        fitting = int(SHARE * free_memory(device) / bytes_per_image)
        return max(1, min(GPU_BATCH, len(images), fitting)), seconds_per_image

    def _computed(self, pixels: Tensor, size: int) -> Tensor:
        """Return the outputs of a batch, ``size`` images at a time."""
        parts = [self._of_part(part, size) for part in torch.split(pixels, size)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _of_part(self, pixels: Tensor, size: int) -> Tensor:
        count = len(pixels)
        if self.computation.device.type == "cuda":  # the same kernels for the last batch, which is smaller
            pixels = torch.cat([pixels, pixels[-1:].expand(size - count, -1, -1, -1)])
        return self.backbone.prefix(pixels.contiguous(memory_format=torch.channels_last))[:count]

    def _first(self, images: ImageArray, count: int) -> Tensor:
        return first_images(images, count, self.computation.device)

    def _what(self) -> str:
        return f"extraction of {kind_of_outputs(self.backbone.trainable)}"

    def _refusal(self, image: int) -> UserError:
        advice = (
            "They may be too large for float16 (65504): set cache.precision=float32. If that does not help, look at"
            if self.dtype == torch.float16
            else "Look at"
        )
        return UserError(
            f"the frozen part of the network gives values for image {image} (counted from 0) that cannot be stored "
            f"as {str(self.dtype).removeprefix('torch.')}. {advice} model.weights and trainer.precision."
        )


def _rows(images: ImageArray, ids: IntArray) -> Any:
    """Return some images; those that follow one another as they lie, without a copy."""
    follow = ids[-1] - ids[0] == len(ids) - 1
    return images[ids[0] : ids[-1] + 1] if follow else images[ids]


def kind_of_outputs(trainable: str | int) -> str:
    """Return what a prefix gives, in a word."""
    return "features" if trainable == "head" else "activations"


def first_images(images: ImageArray, count: int, device: torch.device) -> Tensor:
    """Return the first images, uint8 (count, C, H, W), on a device."""
    pixels = torch.from_numpy(np.array(images[:count]))
    return pixels.contiguous(memory_format=torch.channels_last).to(device)
