"""Scoring images after a fit: the logits of what each run wants to know, from as few passes as there can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from coilal.common.device_memory import BatchSize, free_memory
from coilal.common.types import IntArray
from coilal.fit.measure import seconds
from coilal.fit.rows import Rows, rows_of

FEATURES_AT_ONCE, OTHERS_AT_ONCE = 4096, 64
MOST_ON_A_GPU = 1024
ACTIVATIONS = 64
"""Bytes that a trained part of a network takes to score an image, at most, in bytes of what enters it."""

Precision = Callable[[], AbstractContextManager[Any]]


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module into eval mode, and leave its parts in the modes in which they were."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def at_once(rows: Rows) -> BatchSize:
    """Return how many images are scored at once: features cost little memory, images and activations much."""
    size = FEATURES_AT_ONCE if rows.are_features else OTHERS_AT_ONCE
    if rows.device.type == "cuda" and not rows.are_features:  # larger ones keep a GPU busy, if they fit
        each = rows_of(rows.boundary, slice(0, 1)).nbytes * ACTIVATIONS
        size = max(1, min(MOST_ON_A_GPU, free_memory(rows.device) // each))
    return BatchSize("scoring", size, "Use a smaller model.trainable or data.image.size, or trainer=default.")


def infer(
    forward: Callable[[Tensor], Tensor], rows: Rows, ids: IntArray, size: BatchSize, precision: Precision
) -> Tensor:
    """Return what ``forward`` gives for some images, (n, …) or with what comes before n, float32 on the CPU.

    By hand, because ``trainer.predict`` inside ``fit`` would reset the state of the running fit.

    Args:
        forward: from rows (B, …) to outputs (…, B, C).
        rows: outputs of the frozen prefix.
        ids: int64 (n,), at least one.
        size: images at once.
        precision: context in which is computed.
    """

    def of(images: int) -> Tensor:
        return torch.cat([forward(block).float() for block in rows.blocks(images, ids)], dim=-2).cpu()

    with torch.inference_mode(), precision():
        return size.do(of)


class Scored(NamedTuple):
    """What a head gives for the images it was asked for.

    Attributes:
        head: its number.
        logits: float32 (n, C), on the CPU.
        seconds: its share of the time that took.
    """

    head: int
    logits: Tensor
    seconds: float


@dataclass(frozen=True)
class Scorer:
    """Scores images by heads that stand side by side.

    A head's rows are read in the same blocks whichever heads stand beside it, so that its logits are the same to
    the last digit: heads that ask for more than half of all features look at them as they lie, which is one pass
    over memory for all of these heads; the others share a pass with those that ask for the same images.

    Attributes:
        rows: outputs of the frozen prefix.
        outputs: number of logits C.
        size: images at once.
        precision: context in which is computed.
        memory: bytes that the logits of one pass may take.
    """

    rows: Rows
    outputs: int
    size: BatchSize
    precision: Precision
    memory: int

    def score(
        self, forward: Callable[[Tensor, Sequence[int]], Tensor], wanted: Sequence[IntArray]
    ) -> Iterator[Scored]:
        """Yield the logits of each head, as soon as they are there.

        Args:
            forward: from rows (B, …) and the numbers of s heads to their logits (s, B, C).
            wanted: int64 (n,), the ids that each of the S heads is asked for.
        """
        for heads in self._passes(wanted):
            start = seconds(self.rows.device)
            logits = self._logits(forward, heads, wanted[heads[0]])
            if self._as_they_lie(wanted[heads[0]]):
                chosen = [each[torch.from_numpy(wanted[head])] for head, each in zip(heads, logits, strict=True)]
            else:
                chosen = list(logits)
            share = (seconds(self.rows.device) - start) / len(heads)
            del logits
            yield from (Scored(head, each, share) for head, each in zip(heads, chosen, strict=True))

    def _logits(
        self, forward: Callable[[Tensor, Sequence[int]], Tensor], heads: Sequence[int], ids: IntArray
    ) -> Tensor:
        """Return the logits (s, n, C) of some heads for some images, or (s, N, C) for all as they lie."""

        def of_heads(rows: Tensor) -> Tensor:
            return forward(rows, heads)

        if not self._as_they_lie(ids):
            return infer(of_heads, self.rows, ids, self.size, self.precision)

        def of_all(images: int) -> Tensor:
            return torch.cat([of_heads(block).float() for block in self.rows.blocks(images)], dim=-2).cpu()

        with torch.inference_mode(), self.precision():
            return self.size.do(of_all)

    def _passes(self, wanted: Sequence[IntArray]) -> Iterator[list[int]]:
        """Yield the heads that are scored in one pass."""
        together: dict[bytes, list[int]] = {}
        for head, ids in enumerate(wanted):
            together.setdefault(b"all" if self._as_they_lie(ids) else ids.tobytes(), []).append(head)
        for heads in together.values():
            images = len(self.rows) if self._as_they_lie(wanted[heads[0]]) else len(wanted[heads[0]])
            most = max(1, self.memory // (8 * images * self.outputs))  # as they are computed, and joined
            yield from (heads[first : first + most] for first in range(0, len(heads), most))

    def _as_they_lie(self, ids: IntArray) -> bool:
        return self.rows.are_features and 2 * len(ids) > len(self.rows)
