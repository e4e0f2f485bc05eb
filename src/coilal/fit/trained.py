"""The trained model of one run, as strategies look at it: features, and passes with dropout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coilal.active.features import Features
from coilal.active.outputs import HeldOut
from coilal.common.device_memory import BatchSize
from coilal.common.threads import threads_of_products
from coilal.common.types import IntArray
from coilal.fit.batches import Labelled
from coilal.fit.dropout import Dropout, HostDropout, dropout, kept_share
from coilal.fit.heads import Optimizer
from coilal.fit.module import CoilModule
from coilal.fit.rows import Rows
from coilal.fit.scoring import Precision, infer
from coilal.fit.standardise import Inputs
from coilal.fit.trial import Trials


@dataclass(frozen=True)
class Trained:
    """The trained model of one run.

    Attributes:
        module: holds its head among others.
        head: its number.
        rows: outputs of the frozen prefix.
        size: images at once.
        precision: context in which is computed.
        trials: trains further heads.
        held_out: logits for labelled images by heads that were not trained on them, where they are needed.
        seed: of what dropout leaves out; each cycle has its own.
    """

    module: CoilModule
    head: int
    rows: Rows
    size: BatchSize
    precision: Precision
    trials: Trials
    held_out: HeldOut | None
    seed: int

    def features(self, ids: IntArray) -> Features:
        """Return what enters the last layer for some images, (n, H).

        Of a linear head on a frozen backbone these are the rows as they lie, and nothing is copied.
        """
        shape = self.module.shape
        if self.rows.are_features and not shape.hidden:
            return Inputs(self.rows, self.module.statistics, self.module.given_standardised).features(ids)
        forward = partial(self.module.last_inputs, head=self.head)
        (found,) = infer(forward, self.rows, ids, self.size, self.precision)
        return Features(found.numpy(), np.arange(len(ids)))

    def logits(self, ids: IntArray) -> Tensor:
        """Return the logits (n, C) for some images, at least one, on the CPU."""
        forward = partial(self.module.logits, heads=[self.head])
        found: Tensor = infer(forward, self.rows, ids, self.size, self.precision)[0]
        return found

    def passes(self, ids: IntArray, number: int) -> NDArray[np.float32]:
        """Return the logits (T, n, C) of passes with the dropout that the head is trained with.

        Args:
            ids: int64 (n,).
            number: T.
        """
        shape, device = self.module.shape, self.rows.device
        found = np.empty((number, len(ids), shape.outputs), dtype=np.float32)
        for each, seed in enumerate(self._seeds(number)):
            drops = dropout(shape.dropout, shape.widths, [seed], device)
            (logits,) = infer(partial(self._with, drops), self.rows, ids, self.size, self.precision)
            found[each] = logits.numpy()
        return found

    def passes_of_last(self, features: Features, number: int, share: float) -> NDArray[np.float32]:
        """Return the logits (T, n, C) of passes that leave out a share of the inputs of the last layer.

        Args:
            features: these inputs, (n, H).
            number: T.
            share: that is left out; what is kept is scaled by 1 / (1 − share).
        """
        weight, bias = (tensor.cpu().numpy() for tensor in self.module.last_layer(self.head))
        weight = weight.T / kept_share(share)
        found = np.empty((number, len(features), len(bias)), dtype=np.float32)
        for each, seed in enumerate(self._seeds(number)):
            drops = HostDropout(share, [features.width], [seed], torch.device("cpu"))
            with threads_of_products(len(features) * features.width):
                for here, block in features.blocks():
                    (kept,) = drops.draw(len(block))
                    found[each, here] = (block * kept[0].numpy()) @ weight + bias
        return found

    def trial_logits(
        self, labelled: Sequence[Labelled], initial: Mapping[str, Tensor], optimizer: Optimizer, ids: IntArray
    ) -> Tensor:
        """Return the logits (S, n, C) of heads trained on other labelled images; see ``Trials.logits``."""
        many = len(labelled)
        return self.trials.logits(labelled, [initial] * many, [optimizer] * many, ids)

    def _with(self, drops: Dropout, rows: Tensor) -> Tensor:
        logits: Tensor = self.module(rows.unsqueeze(0), drops.draw(len(rows)), [self.head])
        return logits

    def _seeds(self, number: int) -> Sequence[int]:
        return [int(seed) for seed in np.random.SeedSequence(self.seed).generate_state(number)]
