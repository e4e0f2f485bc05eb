"""Heads that are trained beside a run, in a cycle of it: what other sets of labelled images would have taught."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from coilal.active.outputs import HeldOut
from coilal.common.device_memory import BatchSize
from coilal.common.types import IntArray
from coilal.features.backbone import PooledFeatures
from coilal.fit.batches import Batches, Labelled
from coilal.fit.dropout import dropout
from coilal.fit.heads import Optimizer
from coilal.fit.module import CoilModule
from coilal.fit.rows import Rows
from coilal.fit.scoring import Precision, infer
from coilal.fit.step import step_of

SPLITS, HELD_OUT = 4, 0.3
LEAST = 4
"""Labelled images that are enough to hold some out."""


@dataclass(frozen=True)
class Trials:
    """Trains heads alone, as a run does, without recording anything.

    Attributes:
        module: whose heads, criterion and statistics they share.
        rows: features.
        batch_size: images per training batch.
        epochs: of a fit.
        memory: bytes of labelled rows that are held during a fit; see ``Batches``.
        size: images that are scored at once.
        precision: context in which is computed.
    """

    module: CoilModule
    rows: Rows
    batch_size: int
    epochs: int
    memory: int
    size: BatchSize
    precision: Precision

    def logits(
        self,
        labelled: Sequence[Labelled],
        initial: Sequence[Mapping[str, Tensor]],
        optimizers: Sequence[Optimizer],
        ids: IntArray,
    ) -> Tensor:
        """Return the logits (S, n, C) for some images of heads trained on S sets of equally many labelled images.

        Args:
            labelled: what each of them is trained on.
            initial: weights that each starts from.
            optimizers: the learning rates of each, equal ones next to each other.
            ids: int64 (n,), the images that are scored.
        """
        shape, device = self.module.shape, self.rows.device
        heads = CoilModule(PooledFeatures(shape.features), shape, self.module.criterion).to(device)
        heads.standardise(self.module.statistics, self.module.given_standardised)
        heads.hold(initial, optimizers)
        heads.weigh_classes([own.values for own in labelled])
        heads.on_train_start()
        drops = None
        if shape.dropout:
            drops = dropout(shape.dropout, shape.widths, [own.seed for own in labelled], device)
        batches = Batches(self.rows, labelled, self.batch_size, self.memory, drops)
        step = step_of(heads, heads.optimizer(fused=True), self.precision)
        for _ in range(self.epochs):
            for batch in batches:
                step(batch)
        heads.eval()
        forward = partial(heads.logits, heads=range(len(labelled)))
        return infer(forward, self.rows, ids, self.size, self.precision)

    def held_out(
        self,
        labelled: Sequence[Labelled],
        initial: Sequence[Mapping[str, Tensor]],
        optimizers: Sequence[Optimizer],
    ) -> list[HeldOut]:
        """Return logits for labelled images by heads that were not trained on them, for each of some runs.

        Four times 30 % of the labelled images, at random, are held out. Of fewer than four none are.

        Args:
            labelled: what each run is trained on, equally many images.
            initial: weights that each starts from.
            optimizers: the learning rates of each, equal ones next to each other.
        """
        number = len(labelled[0].ids)
        out = round(HELD_OUT * number) if number >= LEAST else 0
        if not out:
            nothing = np.empty((0, self.module.shape.outputs), dtype=np.float32)
            return [HeldOut(nothing, own.values[:0]) for own in labelled]
        orders, trained = [], []
        for own in labelled:
            generator = np.random.default_rng(own.seed)
            orders.append([generator.permutation(number) for _ in range(SPLITS)])
            seeds = generator.integers(2**32, size=SPLITS)
            for order, seed in zip(orders[-1], seeds.tolist(), strict=True):
                kept = np.sort(order[out:])
                trained.append(Labelled(own.ids[kept], own.values[kept], seed))
        ids = np.unique(np.concatenate([own.ids for own in labelled]))
        each = [start for start in initial for _ in range(SPLITS)]
        rates = [own for own in optimizers for _ in range(SPLITS)]
        logits = self.logits(trained, each, rates, ids).numpy().reshape(len(labelled), SPLITS, len(ids), -1)
        return [
            _held_out(own, [order[:out] for order in own_orders], logits[run][:, np.searchsorted(ids, own.ids)])
            for run, (own, own_orders) in enumerate(zip(labelled, orders, strict=True))
        ]


def _held_out(own: Labelled, held: Sequence[IntArray], logits: NDArray[np.float32]) -> HeldOut:
    """Return what a run's heads say of what each has not seen.

    Args:
        own: what the run is trained on, m images.
        held: places of those that each head has not seen.
        logits: of each head, (SPLITS, m, C).
    """
    return HeldOut(
        np.concatenate([logits[split, rows] for split, rows in enumerate(held)]),
        np.concatenate([own.values[rows] for rows in held]),
    )
