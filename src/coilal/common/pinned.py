"""Arrays to a GPU and back through page-locked (pinned) memory, copied while the device computes.

A buffer is pinned once and used again and again: pinning memory for each copy costs more than the faster copy
gives. Elsewhere than on a CUDA device nothing is copied ahead.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coilal.common.ahead import ahead

AHEAD = 2  # blocks that are copied before they are asked for: one is on its way, one waits


class _Copied(NamedTuple):
    """Tensors that a copy on another stream fills, and the end of that copy."""

    tensors: Sequence[Tensor]
    done: torch.cuda.Event


class _Buffer:
    """Pinned memory for one tensor after the other."""

    def __init__(self) -> None:
        self._bytes = torch.empty(0, dtype=torch.uint8)

    def empty(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return this memory as a tensor; more is pinned if there is too little."""
        size = math.prod(shape) * dtype.itemsize
        if self._bytes.nbytes < size:
            self._bytes = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        return self._bytes[:size].view(dtype).view(*shape)


def stream(blocks: Iterator[NDArray[Any]], device: torch.device) -> Generator[Tensor]:
    """Yield arrays as tensors on a device, in their order.

    On a CUDA device they are read and copied ahead: ``blocks`` runs in a thread of its own, and the copies on a
    stream of their own; the stream that is current here waits for each. Elsewhere a tensor shares the memory of its
    array, if that may be written.

    Args:
        blocks: arrays of any shape and type that torch knows.
        device: where the tensors are wanted.
    """
    if device.type != "cuda":
        for block in blocks:
            yield _tensor(block).to(device)
        return
    for copied in ahead(_to_device(blocks, device), AHEAD):
        current = torch.cuda.current_stream(device)
        current.wait_event(copied.done)
        (tensor,) = copied.tensors
        tensor.record_stream(current)  # it was allocated on the stream of the copies
        yield tensor


def to_host(outputs: Generator[Sequence[Tensor]], device: torch.device) -> Generator[list[NDArray[Any]]]:
    """Yield tensors of a device as arrays, in their order; those of a CUDA device are overwritten by later ones.

    On a CUDA device ``outputs`` runs in a thread of its own, up to ``AHEAD`` items before the one in use, and the
    copies on a stream of their own. An item's arrays may be used until the next item is asked for.

    Args:
        outputs: as many tensors each time, contiguous, of types that numpy knows.
        device: where they are.
    """
    if device.type != "cuda":
        for tensors in outputs:
            yield [tensor.cpu().numpy() for tensor in tensors]
        return
    for copied in ahead(_from_device(outputs, device), AHEAD):
        copied.done.synchronize()
        yield [tensor.numpy() for tensor in copied.tensors]


def _to_device(blocks: Iterator[NDArray[Any]], device: torch.device) -> Generator[_Copied]:
    side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    buffers = cycle([(_Buffer(), torch.cuda.Event()) for _ in range(AHEAD + 1)])  # type: ignore[no-untyped-call]
    with torch.cuda.device(device):
        for block, (buffer, done) in zip(blocks, buffers, strict=False):
            done.synchronize()  # what was in the buffer has been copied
            host = buffer.empty(block.shape, _dtype(block))
            np.copyto(host.numpy(), block)
            with torch.cuda.stream(side):
                there = host.to(device, non_blocking=True)
            done.record(side)
            yield _Copied([there], done)


def _from_device(outputs: Generator[Sequence[Tensor]], device: torch.device) -> Generator[_Copied]:
    side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    rows: list[list[_Buffer]] = [[] for _ in range(AHEAD + 1)]
    with torch.cuda.device(device), closing(outputs):
        for tensors, buffers in zip(outputs, cycle(rows), strict=False):
            buffers += [_Buffer() for _ in tensors[len(buffers) :]]
            side.wait_stream(torch.cuda.current_stream(device))  # for the values
            landed = [
                buffer.empty(tensor.shape, tensor.dtype) for tensor, buffer in zip(tensors, buffers, strict=True)
            ]
            with torch.cuda.stream(side):
                for tensor, host in zip(tensors, landed, strict=True):
                    host.copy_(tensor, non_blocking=True)
                    tensor.record_stream(side)  # it is freed here, and copied later
            done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            done.record(side)
            yield _Copied(landed, done)


def _dtype(block: NDArray[Any]) -> torch.dtype:
    return torch.from_numpy(np.empty(0, block.dtype)).dtype


def _tensor(block: NDArray[Any]) -> Tensor:
    """Return an array as a tensor; a copy where the array is read-only, as a mapped file is."""
    contiguous = np.ascontiguousarray(block)
    return torch.from_numpy(contiguous if contiguous.flags.writeable else contiguous.copy())
