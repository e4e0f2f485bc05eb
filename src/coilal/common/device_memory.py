"""Batch sizes and the memory of a device: how much is free, and what is done when it runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from coilal.common.host_memory import free_host_memory
from coilal.common.types import UserError

log = logging.getLogger(__name__)

T = TypeVar("T")

# torch has a type for a full GPU alone, and not everywhere: the rest is known by its words.
_WORDS = (
    "DefaultCPUAllocator",
    "CUDA error: out of memory",  # of the driver, for pinned memory for example
    "CUBLAS_STATUS_ALLOC_FAILED",
)


def free_memory(device: torch.device) -> int:
    """Return the bytes of a device that this process can still take.

    On a GPU that is what the driver has free, and what torch's allocator holds without using it, which may lie in
    pieces. Elsewhere it is the machine's memory, or what its container or SLURM job has left of it.
    """
    if device.type != "cuda":
        return free_host_memory()
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the memory of a device, or of the machine, is full."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS)


class BatchSize:
    """How many things are done at once; half as many, once, when the memory is full.

    Args:
        what: is done, a noun with what is counted for the log, for example ``extraction of features``.
        size: at first.
        advice: what the user can do if half is too much, too, a sentence.
    """

    def __init__(self, what: str, size: int, advice: str) -> None:
        self.what, self.size, self.advice = what, size, advice
        self._halved = False

    def do(self, work: Callable[[int], T]) -> T:
        """Return what ``work`` returns for the size; do it again from its start with half if memory runs out.

        Raises:
            UserError: memory has run out for the second time, in this call or since an earlier one.
        """
        try:
            return work(self.size)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if self._halved or self.size == 1:
                raise self._refusal(error) from error
            self._halve(error)
        # Only here is the error gone, and with it the tensors of the frames that it came through.
        torch.cuda.empty_cache()
        return self.do(work)

    def _halve(self, error: Exception) -> None:
        whole, self.size, self._halved = self.size, self.size // 2, True
        log.warning(
            "%s: out of memory with %d at a time; going on with %d (%s)", self.what, whole, self.size, _told(error)
        )

    def _refusal(self, error: Exception) -> UserError:
        return UserError(
            f"{self.what}: out of memory even with {self.size} at a time ({_told(error)}). {self.advice}"
        )


def _told(error: Exception) -> str:
    """Return the first sentence of what torch says, which goes on with statistics."""
    return str(error).split("\n")[0].split(". ")[0][:200] or type(error).__name__
