"""What training and scoring read of the frozen part's outputs: held on the device where they fit, else read."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from coilal.common.pinned import stream
from coilal.common.types import ImageArray, IntArray, are_in_memory


class Rows:
    """Outputs of the frozen prefix on the device of the training, row i for id i; shared by all runs of a process.

    On a CPU what is in memory is used as it lies. On a GPU features (N, D) are copied there once, if they fit;
    anything else is read when it is asked for.

    Args:
        boundary: features (N, D), activations (N, …) or images uint8 (N, C, H, W).
        device: where the rows are wanted.
        memory: bytes that they may take on a GPU.

    Attributes:
        held: all rows on the device, or None.
    """

    def __init__(self, boundary: ImageArray, device: torch.device, memory: int) -> None:
        self.boundary, self.device = boundary, device
        self.held: Tensor | None = None
        if are_in_memory(boundary):
            fits = boundary.ndim == 2 and boundary.nbytes <= memory
            if device.type == "cpu" or fits:
                self.held = torch.from_numpy(boundary).to(device)

    def __len__(self) -> int:
        return len(self.boundary)

    @property
    def are_features(self) -> bool:
        """Whether the rows are features (N, D), so that the head alone is trained."""
        return len(self.boundary.shape) == 2

    def take(self, ids: IntArray) -> Tensor:
        """Return the rows (n, …) of some ids."""
        if self.held is not None:
            return self.held.index_select(0, to_device(torch.from_numpy(ids), self.device))
        return to_device(rows_of(self.boundary, ids), self.device)

    def blocks(self, size: int, ids: IntArray | None = None) -> Iterator[Tensor]:
        """Yield the rows of some ids, or all as they lie, ``size`` at a time; a GPU computes meanwhile."""
        chosen: Iterator[IntArray | slice] = (
            slice(first, first + size) if ids is None else ids[first : first + size]
            for first in range(0, len(self) if ids is None else len(ids), size)
        )
        if self.held is None:
            yield from stream((np.asarray(self.boundary[here]) for here in chosen), self.device)
            return
        for here in chosen:
            yield self.held[here] if isinstance(here, slice) else self.take(here)


def rows_of(boundary: ImageArray, chosen: IntArray | slice) -> Tensor:
    """Return some rows of the boundary as a tensor; those of ids are a copy."""
    rows = np.asarray(boundary[chosen])
    return torch.from_numpy(rows if rows.flags.writeable else rows.copy())  # torch warns of read-only ones


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Move a tensor from the CPU."""
    return tensor.to(device, non_blocking=True)
