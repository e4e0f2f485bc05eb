"""One pass of a frozen prefix over all images, in batches.

On a GPU the host reads, pins and stores while the batch that was launched before computes. Copies and kernels share
one stream, so that they follow one another: for a backbone a copy is short beside the computing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coilal.common.types import ImageArray, UserError
from coilal.features.backbone import Backbone
from coilal.features.fold import folded
from coilal.features.heap import keep_freed_memory

# Large activations are mapped and unmapped by the allocator each time: small batches are faster on a CPU.
CPU_BATCH, GPU_BATCH = 16, 256

Precision = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Extraction:
    """How a prefix is applied.

    Attributes:
        backbone: the cut network, in eval mode, on ``device``.
        device: where to compute.
        precision: context in which the network runs (autocast).
        shape: of the outputs of one image.
        dtype: type of the stored values, float32 or float16.
    """

    backbone: Backbone
    device: torch.device
    precision: Precision
    shape: tuple[int, ...]
    dtype: torch.dtype

    def blocks(self, images: ImageArray, start: int) -> Iterator[NDArray[Any]]:
        """Yield the outputs of a batch of images after the other, from image ``start`` to the last.

        Raises:
            UserError: an output is not finite, or too large for ``dtype``.
        """
        ahead = 0 if self.device.type == "cpu" else 1
        batch = CPU_BATCH if self.device.type == "cpu" else GPU_BATCH
        if self.device.type == "cpu":
            keep_freed_memory()
        with torch.inference_mode(), self.precision():
            one = _to_device(images[:1], self.device)
            with folded(self.backbone.net, lambda: self.backbone.prefix(one)):
                under_way: deque[_Batch] = deque()
                for first in range(start, len(images), batch):
                    under_way.append(self._launch(images[first : first + batch], first))
                    if len(under_way) > ahead:  # meanwhile, a GPU computes the next batch
                        yield under_way.popleft().land()
                while under_way:
                    yield under_way.popleft().land()

    def _launch(self, pixels: NDArray[np.uint8], first: int) -> _Batch:
        outputs = self.backbone.prefix(_to_device(pixels, self.device)).to(self.dtype).contiguous()
        if self.device.type != "cuda":
            return _Batch(outputs.cpu(), first, None)
        host = torch.empty(outputs.shape, dtype=outputs.dtype, pin_memory=True)
        host.copy_(outputs, non_blocking=True)
        copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
        copied.record()
        return _Batch(host, first, copied)


def probe(backbone: Backbone, images: ImageArray, device: torch.device, precision: Precision) -> Tensor:
    """Return the prefix's output for the first image, (1, …), in the type in which the network computes it."""
    with torch.inference_mode(), precision():
        return backbone.prefix(_to_device(images[:1], device))


def _to_device(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    batch = torch.from_numpy(np.array(pixels)).contiguous(memory_format=torch.channels_last)
    if device.type == "cuda":
        batch = batch.pin_memory()
    return batch.to(device, non_blocking=True)


@dataclass(frozen=True)
class _Batch:
    """Outputs that are on their way to the host.

    Attributes:
        outputs: host memory, complete once ``copied`` has happened.
        first: id of the first image.
        copied: end of the copy, None where it was not asynchronous.
    """

    outputs: Tensor
    first: int
    copied: torch.cuda.Event | None

    def land(self) -> NDArray[Any]:
        """Wait for the copy, check the values and return them."""
        if self.copied is not None:
            self.copied.synchronize()
        wrong = ~torch.isfinite(self.outputs).flatten(1).all(1)
        if wrong.any():
            self._refuse(self.first + int(wrong.nonzero()[0]))
        return np.asarray(self.outputs.numpy())

    def _refuse(self, image: int) -> None:
        advice = (
            "They may be too large for float16 (65504): set cache.precision=float32. If that does not help, look at"
            if self.outputs.dtype == torch.float16
            else "Look at"
        )
        raise UserError(
            f"the frozen part of the network gives values for image {image} (counted from 0) that cannot be stored "
            f"as {str(self.outputs.dtype).removeprefix('torch.')}. {advice} model.weights and trainer.precision."
        )
