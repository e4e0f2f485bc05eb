"""Scoring images after a fit: the logits of what each run wants to know, from as few passes as there can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from coilal.common.types import IntArray
from coilal.fit.measure import seconds
from coilal.fit.rows import Rows

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


def infer(
    forward: Callable[[Tensor], Tensor], rows: Rows, ids: IntArray, batch_size: int, precision: Precision
) -> Tensor:
    """Return what ``forward`` gives for some images, (n, …) or with what comes before n, float32 on the CPU.

    By hand, because ``trainer.predict`` inside ``fit`` would reset the state of the running fit.

    Args:
        forward: from rows (B, …) to outputs (…, B, C).
        rows: outputs of the frozen prefix.
        ids: int64 (n,), at least one.
        batch_size: images at once.
        precision: context in which is computed.
    """
    starts = range(0, len(ids), batch_size)
    with torch.inference_mode(), precision():
        return torch.cat([forward(rows.take(ids[i : i + batch_size])).float() for i in starts], dim=-2).cpu()


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
        batch_size: images at once.
        precision: context in which is computed.
        memory: bytes that the logits of one pass may take.
    """

    rows: Rows
    outputs: int
    batch_size: int
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
            return infer(of_heads, self.rows, ids, self.batch_size, self.precision)
        with torch.inference_mode(), self.precision():
            return torch.cat([of_heads(block).float() for block in self.rows.blocks(self.batch_size)], dim=-2).cpu()

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
