"""How many threads torch, numpy and scipy use for what."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from coilal.common.types import ImageArray

ALL = torch.get_num_threads()  # of a process by itself: the cores it may use, or OMP_NUM_THREADS
FEW = 1 << 25
"""Numbers (images × width) up to which more threads are of no use to a strategy."""

_processes = 1  # that share the cores


def share_cores(processes: int) -> None:
    """Take this process' share of the cores, for good: more threads than cores keep one another waiting."""
    global _processes
    _processes = processes
    torch.set_num_threads(share())


def share() -> int:
    """Return the number of cores that this process may use."""
    return max(1, ALL // _processes)


def cores_are_shared() -> bool:
    """Return whether other processes compute on these cores, too."""
    return share() < ALL


@contextmanager
def all_threads() -> Iterator[None]:
    """Use all cores: for what one process computes while the others wait for it, or for their turn."""
    before = torch.get_num_threads()
    torch.set_num_threads(ALL)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def threads_for(boundary: ImageArray, device: torch.device) -> Iterator[None]:
    """Train and score a head alone on one thread of the CPU.

    The results then do not depend on how many cores a process has, and are the same for any number of processes.
    The matrices of a training step are too small to share: with two threads it takes longer.

    Args:
        boundary: what the trained part sees: features (N, D) for a head alone.
        device: where it is trained.
    """
    before = torch.get_num_threads()
    if device.type == "cpu" and len(boundary.shape) == 2:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def threads_of_products(numbers: int) -> Iterator[None]:
    """Multiply matrices in numpy and scipy on one thread where they are small, else on this process' share.

    Left alone, each process uses all cores, and its threads wait for one another by turning in circles: where
    processes share the cores, a query of a second takes ten. On one thread the last digits do not depend on the
    number of cores either.

    Args:
        numbers: of the larger matrix.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1 if numbers <= FEW else share(), user_api="blas"):
        yield
