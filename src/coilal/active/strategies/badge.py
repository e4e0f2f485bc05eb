"""BADGE: gradients of the last layer that are long and differ, by k-means++ without ever building them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from coilal.active.outputs import PoolOutputs, Selection, declared
from coilal.active.strategies.picking import ROUNDING
from coilal.active.strategies.ranking import ROWS
from coilal.common.types import FloatArray, IntArray

PENDING = 16
"""Images chosen that one pass over the features serves."""

TRIES = 32
"""Candidates drawn at once. Where none is accepted, distances have fallen so much that a pass pays."""


def badge(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Choose by k-means++ on the gradients of the loss, each image taken to be what the model says.

    Formula: g = (p − e_ŷ) ⊗ h, for labels (p_c − ŷ_c)_c ⊗ h with ŷ_c = 1 where p_c > ½; the first image is drawn
    uniformly, each next one with probability ∝ the squared distance of its g to the nearest one chosen (k-means++,
    Arthur & Vassilvitskii 2007). Direction: none. Source: Ash et al. 2020, Deep Batch Active Learning by Diverse,
    Uncertain Gradient Lower Bounds, algorithm 1. As there, labelled images play no part; those that the batch has
    already (``strategy.per_group``) are chosen ones. The score is the distance, of the first image the length of g.
    """
    seeding = Seeding(outputs)
    rows, squares = zip(*(seeding.draw(generator) for _ in range(batch_size)), strict=True)
    return Selection(outputs.ids[list(rows)], np.sqrt(squares))


class Gradients(NamedTuple):
    """Gradients g = a ⊗ h of m images, as their factors.

    Attributes:
        features: h, (m, D).
        errors: a, (m, C).
        squared_lengths: ‖a‖²‖h‖², (m,).
    """

    features: NDArray[np.float32]
    errors: NDArray[np.float32]
    squared_lengths: NDArray[np.float32]

    def to_nearest(self, others: Gradients) -> NDArray[np.float32]:
        """Return the squared distance of each to the nearest of others, (m,); 0 where it is not told from rounding.

        ‖g − g'‖² = ‖a‖²‖h‖² + ‖a'‖²‖h'‖² − 2 (a·a')(h·h').
        """
        squares = self.features @ others.features.T
        squares *= self.errors @ (-2 * others.errors.T)
        squares += others.squared_lengths
        nearest: NDArray[np.float32] = squares.min(axis=1)
        nearest += self.squared_lengths
        nearest[nearest < 2 * ROUNDING * self.squared_lengths] = 0  # so near, both are of one length
        return nearest


class PoolGradients:
    """The gradients of all images of a pool, whose features are read in blocks."""

    def __init__(self, outputs: PoolOutputs) -> None:
        self._features = declared(outputs.features, "features")
        self._errors = prediction_errors(outputs)
        self.squared_lengths = np.einsum("nc,nc->n", self._errors, self._errors) * self._features.squared_lengths

    def __len__(self) -> int:
        return len(self.squared_lengths)

    def take(self, rows: IntArray) -> Gradients:
        """Return those of some images, by position."""
        return Gradients(self._features.take(rows), self._errors[rows], self.squared_lengths[rows])

    def blocks(self) -> Iterator[tuple[slice, Gradients]]:
        """Yield places and gradients, some at a time."""
        for here, features in self._features.blocks():
            yield here, Gradients(features, self._errors[here], self.squared_lengths[here])


class Seeding:
    """k-means++ on the gradients of a pool.

    Distances to the nearest image chosen can only fall. A candidate is drawn by the distances as of the last pass
    over all images, and accepted with probability distance now / distance then: a draw by the distances of now
    (rejection sampling), which are computed of the candidates alone.

    Args:
        outputs: of the pool; what the batch has taken already is chosen.
    """

    def __init__(self, outputs: PoolOutputs) -> None:
        self._pool = PoolGradients(outputs)
        self._nearest = np.full(len(outputs), np.inf, dtype=np.float32)
        self._cumulative: FloatArray = np.empty(0)
        self._chosen: list[int] = []
        self._pending: list[Gradients] = []
        if outputs.taken is not None:
            self._pending.append(PoolGradients(outputs.taken).take(np.arange(len(outputs.taken))))

    def draw(self, generator: np.random.Generator) -> tuple[int, float]:
        """Return the next image, and its squared distance to the nearest one chosen; the first one's length."""
        if self._chosen or self._pending:
            row, square = self._by_distance(generator)
        else:
            row = int(generator.integers(len(self._pool)))
            square = float(self._pool.squared_lengths[row])
        self._chosen.append(row)
        self._pending.append(self._pool.take(np.array([row])))
        return row, square

    def _by_distance(self, generator: np.random.Generator) -> tuple[int, float]:
        """Draw in proportion to squared distances; uniformly where all are 0."""
        if not len(self._cumulative) or len(self._pending) >= PENDING:
            self._look()
        while (total := self._cumulative[-1]) > 0:
            last = np.searchsorted(self._cumulative, total)  # the product below may round up to the whole sum
            drawn = np.searchsorted(self._cumulative, generator.random(TRIES) * total, side="right")
            candidates = np.minimum(drawn, last)
            then = self._nearest[candidates]
            now = self._nearest_now(candidates)
            accepted = np.flatnonzero(generator.random(TRIES) * then < now)
            if len(accepted):
                return int(candidates[accepted[0]]), float(now[accepted[0]])
            self._look()
        free = np.setdiff1d(np.arange(len(self._pool)), self._chosen)
        return int(generator.choice(free)), 0.0

    def _nearest_now(self, rows: IntArray) -> NDArray[np.float32]:
        """Return the squared distances of some images to the nearest one chosen."""
        nearest = self._nearest[rows]
        if self._pending:
            nearest = np.minimum(nearest, self._pool.take(rows).to_nearest(_joined(self._pending)))
        nearest[np.isin(rows, self._chosen)] = 0
        return nearest

    def _look(self) -> None:
        """Compute the distances of all images."""
        centres = _joined(self._pending)
        for here, block in self._pool.blocks():
            np.minimum(self._nearest[here], block.to_nearest(centres), out=self._nearest[here])
        self._nearest[self._chosen] = 0
        self._pending.clear()
        self._cumulative = np.cumsum(self._nearest, dtype=np.float64)


def _joined(parts: list[Gradients]) -> Gradients:
    return Gradients(*(np.concatenate(factor) for factor in zip(*parts, strict=True)))


def prediction_errors(outputs: PoolOutputs) -> NDArray[np.float32]:
    """Return a = p − ŷ of each image, (n, C): the gradient of the loss by the logits, were the model right."""
    logits = declared(outputs.logits, "logits")
    errors = np.empty(logits.shape, dtype=np.float32)
    for first in range(0, len(logits), ROWS):
        here = slice(first, first + ROWS)
        block = logits[here].astype(np.float64)
        if outputs.kind == "multiclass":
            error = softmax(block, axis=1)
            predicted = np.arange(len(block)), block.argmax(axis=1)
            error[predicted] = 0
            error[predicted] = -error.sum(axis=1)  # p − 1, also where p rounds to 1
        else:
            error = np.where(block > 0, -1, 1) * expit(-np.abs(block))
        errors[here] = error
    return errors
