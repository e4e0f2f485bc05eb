"""Shuffled mini-batches of the labelled images, of one run or of several that are trained side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coilal.common.types import AugmentedArray, IntArray
from coilal.fit.dropout import Dropout
from coilal.fit.rows import Rows, rows_of, to_device


@dataclass(frozen=True)
class Labelled:
    """What one run trains on in a cycle.

    Attributes:
        ids: int64 (m,), the labelled images.
        values: their labels, int64 (m,) or (m, L).
        seed: seed of the order of its images and of its dropout.
    """

    ids: IntArray
    values: NDArray[np.int64]
    seed: int


class Batch(NamedTuple):
    """A batch of each of S runs.

    Attributes:
        boundary: outputs of the frozen prefix (S, B, …).
        values: labels (S, B) or (S, B, L).
        kept: what the inputs of each layer of the heads are multiplied with, (S, B, width); () without dropout.
    """

    boundary: Tensor
    values: Tensor
    kept: tuple[Tensor, ...] = ()


class Batches:
    """Shuffled mini-batches of the labelled images of S runs, on the device, without loader processes.

    The labelled rows are gathered once, so that nothing is read, copied or waited for inside an epoch. Only where
    they exceed ``memory`` are they read batch by batch.

    Each epoch of a run has an order of its own that depends only on its seed and the number of the epoch, so that
    an interrupted run that repeats a cycle sees the same batches, whichever runs stand beside it.

    Args:
        rows: outputs of the frozen prefix; of an array with augmented views, each epoch sees those that it draws.
        labelled: what each run trains on; all have the same number of images m.
        size: images per batch; the last batch of an epoch may be smaller.
        memory: bytes that the gathered rows may take.
        dropout: of the heads, None for none.
    """

    def __init__(
        self, rows: Rows, labelled: Sequence[Labelled], size: int, memory: int, dropout: Dropout | None = None
    ) -> None:
        self.rows, self.size, self.dropout = rows, size, dropout
        self.ids = np.stack([one.ids for one in labelled])
        self.values = to_device(torch.from_numpy(np.stack([one.values for one in labelled])), rows.device)
        self.orders = [torch.Generator().manual_seed(one.seed) for one in labelled]
        self.source, self.places = self._gathered(memory)

    def _gathered(self, memory: int) -> tuple[Tensor | None, Tensor]:
        """Return rows among which all labelled ones are, and the places of each run's images in them (S, m)."""
        if self.rows.held is not None:
            return self.rows.held, torch.from_numpy(self.ids)
        wanted, places = np.unique(self.ids, return_inverse=True)
        augmented = isinstance(self.rows.boundary, AugmentedArray)  # has other rows in each epoch
        fits = not augmented and len(wanted) * self.rows.boundary[:1].nbytes <= memory
        return self.rows.take(wanted) if fits else None, torch.from_numpy(places.reshape(self.ids.shape))

    def __len__(self) -> int:
        images: int = self.ids.shape[1]
        return -(-images // self.size)

    def __iter__(self) -> Iterator[Batch]:
        runs, images = self.ids.shape
        order = torch.stack([torch.randperm(images, generator=generator) for generator in self.orders])
        places = to_device(self.places.gather(1, order), self.rows.device)
        values = self.values[torch.arange(runs).unsqueeze(1), to_device(order, self.rows.device)]
        read = self._reader() if self.source is None else self._pick
        shown = order if self.source is None else places
        for here, told in zip(torch.split(shown, self.size, 1), torch.split(values, self.size, 1), strict=True):
            kept = self.dropout.draw(here.shape[1]) if self.dropout else ()
            yield Batch(read(here), told, kept)

    def _pick(self, places: Tensor) -> Tensor:
        """Return the rows (S, B, …) at places among those that were gathered."""
        assert self.source is not None
        rows = self.source.index_select(0, places.reshape(-1))  # faster than source[places] for a few rows
        return rows.view(*places.shape, *rows.shape[1:])

    def _reader(self) -> Callable[[Tensor], Tensor]:
        """Return what reads the rows (S, B, …) of some images of each run, by number, as this epoch shows them."""
        boundary = self.rows.boundary
        shown = [boundary] * len(self.ids)
        if isinstance(boundary, AugmentedArray):
            shown = [boundary.epoch(int(torch.randint(2**63 - 1, (), generator=one))) for one in self.orders]

        def read(order: Tensor) -> Tensor:
            chosen = np.take_along_axis(self.ids, order.numpy(), axis=1)
            parts = [rows_of(array, ids) for array, ids in zip(shown, chosen, strict=True)]
            return to_device(torch.stack(parts), self.rows.device)

        return read
