"""Reading rows of the frozen prefix's outputs: shuffled batches for training, large ones for inference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coilal.common.types import AugmentedArray, ImageArray, IntArray, are_features_in_memory, are_in_memory


class Batches:
    """Shuffled mini-batches of the labelled images, on the device, without loader processes.

    The labelled rows are gathered once and moved to the device once, so that nothing is read, copied or
    waited for inside an epoch. Only where they exceed ``memory`` are they read batch by batch.

    Each epoch has an order of its own that depends only on the seed and the number of the epoch, so an
    interrupted run that repeats a cycle sees the same batches.

    Args:
        boundary: outputs of the frozen prefix, row i for id i; of an array with augmented views, each epoch
            sees those that it draws.
        ids: int64 (n,), the labelled images.
        values: their labels, int64 (n,) or (n, L).
        size: images per batch; the last batch of an epoch may be smaller.
        seed: seed of the shuffling.
        device: where the batches are wanted.
        memory: bytes that the gathered rows may take; on a CPU together with the boundary, if that is in memory.
    """

    def __init__(
        self,
        boundary: ImageArray,
        ids: IntArray,
        values: NDArray[np.int64],
        size: int,
        seed: int,
        device: torch.device,
        memory: int,
    ) -> None:
        self.boundary, self.ids, self.size, self.device = boundary, ids, size, device
        self.values = to_device(torch.from_numpy(values), device)
        self.generator = torch.Generator().manual_seed(seed)
        augmented = isinstance(boundary, AugmentedArray)  # has other rows in each epoch
        left = memory - (boundary.nbytes if device.type == "cpu" and are_in_memory(boundary) else 0)
        fits = not augmented and len(ids) * boundary[:1].nbytes <= left
        self.rows = to_device(rows_of(boundary, ids), device) if fits else None

    def __len__(self) -> int:
        return -(-len(self.ids) // self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.ids), generator=self.generator)
        there = to_device(order, self.device)
        boundary = self.boundary
        if isinstance(boundary, AugmentedArray):
            boundary = boundary.epoch(int(torch.randint(2**63 - 1, (), generator=self.generator)))
        for chosen, here in zip(torch.split(there, self.size), torch.split(order, self.size), strict=True):
            yield self._rows(boundary, chosen, here), self.values.index_select(0, chosen)

    def _rows(self, boundary: ImageArray, chosen: Tensor, here: Tensor) -> Tensor:
        """Return rows by position, given on the device and on the CPU."""
        if self.rows is not None:
            return self.rows.index_select(0, chosen)  # faster than rows[chosen] for a few rows
        return to_device(rows_of(boundary, self.ids[here.numpy()]), self.device)


def infer(
    module: nn.Module,
    boundary: ImageArray,
    ids: IntArray,
    batch_size: int,
    precision: Callable[[], AbstractContextManager[Any]],
    forward: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Return the logits (n, C) of the given images, float32 on the CPU; leaves the module's modes as they were.

    ``forward`` stands in for the module itself, to look at what one of its parts returns. Where most of an array in
    memory is wanted, it is scored as it lies: gathering the rows would take longer than scoring the others.

    By hand, because ``trainer.predict`` inside ``fit`` would reset the state of the running fit.
    """
    if len(ids) == 0:
        return torch.empty(0, 1)
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    device = next(module.parameters()).device
    as_they_lie = are_features_in_memory(boundary) and 2 * len(ids) > len(boundary)
    starts = range(0, len(boundary) if as_they_lie else len(ids), batch_size)
    try:
        with torch.inference_mode(), precision():
            slices = (slice(first, first + batch_size) for first in starts)
            batches = (rows_of(boundary, chosen if as_they_lie else ids[chosen]) for chosen in slices)
            logits = torch.cat([(forward or module)(to_device(rows, device)).float() for rows in batches]).cpu()
            return logits[torch.from_numpy(ids)] if as_they_lie else logits
    finally:
        for part, training in modes:
            part.training = training


def rows_of(boundary: ImageArray, chosen: IntArray | slice) -> Tensor:
    """Return some rows of the boundary as a tensor; those of ids are a copy."""
    return torch.from_numpy(np.asarray(boundary[chosen]))


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Move a tensor from the CPU; to a GPU through pinned memory, so that nobody waits for the copy."""
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
