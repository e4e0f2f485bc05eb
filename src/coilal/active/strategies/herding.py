"""MaxHerding and UHerding: images that together cover the pool, softly, or what is uncertain of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, logsumexp

from coilal.active.features import Features
from coilal.active.outputs import HeldOut, PoolOutputs, Selection, declared
from coilal.active.strategies.multiclass import one_minus_margin
from coilal.active.strategies.picking import ROUNDING, pick_highest, sample, squared_distances_of_units
from coilal.active.strategies.ranking import score_logits
from coilal.common.types import FloatArray, IntArray, Kind

SAMPLE = 20_000
"""Images of a pool that are to be covered, and that are candidates."""

WHOLE = 4096
"""Images up to which the kernel of all with all is held (64 MB)."""

TEMPERATURES = (0.05, 20.0)


def maxherding(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Choose the image that adds most to the coverage of the pool, again and again.

    Formula: mean over the pool's images n of max(0, k(n, x) − c_n), with k(n, x) = exp(−‖z_n − z_x‖²), and c_n the
    largest k(n, j) of labelled and chosen images j. Direction: highest. Source: Bae et al. 2024, Generalized
    Coverage for More Robust Low-Budget Active Learning, section 4 (σ = 1). The gains shrink as images are chosen,
    so that few are computed anew (lazy greedy, Minoux 1978): the choice is the same. Of more than 20,000 images a
    random 20,000 are to be covered, and are the candidates.
    """
    rows = sample(len(outputs), max(SAMPLE, batch_size), generator)
    return _herd(outputs, rows, np.ones(len(rows)), 1.0, batch_size, generator)


def uherding(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Choose the image that adds most to the coverage of what is uncertain, again and again.

    Formula: mean over the pool's images n of u_n max(0, k(n, x) − c_n), with u_n = 1 − (p₁ − p₂), for labels
    1 − mean_c |2p_c − 1| (ours), of probabilities at the temperature that fits held-out labelled images best;
    k(n, x) = exp(−‖z_n − z_x‖² / σ²), σ the smallest distance above 0 among the labelled images, and c_n the
    largest k(n, j) of labelled and chosen images j. Direction: highest. Source: Bae et al. 2025, Uncertainty
    Herding: One Active Learning Method for All Label Budgets. Theirs holds out the last 30 % of the labelled
    images, this four times 30 % at random, by heads that are not trained on them. Of more than 20,000 images a
    random 20,000 are to be covered, and are the candidates.
    """
    rows = sample(len(outputs), max(SAMPLE, batch_size), generator)
    held_out = declared(outputs.held_out, "held-out logits")
    logits = declared(outputs.logits, "logits")[rows] / temperature(held_out, outputs.kind)
    doubt = score_logits(logits, one_minus_margin if outputs.kind == "multiclass" else _one_minus_confidence)
    return _herd(
        outputs,
        rows,
        doubt,
        _smallest_distance(declared(outputs.labelled, "labelled features")),
        batch_size,
        generator,
    )


def temperature(held_out: HeldOut, kind: Kind) -> float:
    """Return the temperature that makes the told labels likeliest; 1 where nothing is held out.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks, section 4.2. Between 0.05 and 20: no number
    fits predictions that are all right.
    """
    logits, values = held_out.logits.astype(np.float64), held_out.values
    if not len(logits):
        return 1.0

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        if kind == "multilabel":
            return -float(np.where(values == 1, log_expit(scaled), log_expit(-scaled)).mean())
        return float((logsumexp(scaled, axis=1) - scaled[np.arange(len(values)), values]).mean())

    found = minimize_scalar(loss, bounds=tuple(np.log(TEMPERATURES)), method="bounded")
    return float(np.exp(found.x))


def _one_minus_confidence(logits: FloatArray) -> FloatArray:
    doubt: FloatArray = 2 * expit(-np.abs(logits)).mean(axis=1)
    return doubt


def _smallest_distance(labelled: Features) -> float:
    """Return the smallest distance above 0 among images; 1 where there are no two different ones."""
    z = labelled.normalised().take(np.arange(len(labelled)))
    smallest = np.inf
    for first in range(0, len(z), 512):
        squares = squared_distances_of_units(z[first : first + 512], z)
        smallest = min(smallest, float(squares.min(initial=np.inf, where=squares > 0)))
    return float(np.sqrt(smallest)) if np.isfinite(smallest) else 1.0


def _herd(
    outputs: PoolOutputs,
    rows: IntArray,
    weights: FloatArray,
    sigma: float,
    batch_size: int,
    generator: np.random.Generator,
) -> Selection:
    """Return the greedy choice among some images of the pool, which are those that are to be covered."""
    points = declared(outputs.features, "features").normalised().subset(rows)
    herd = _Herd(points.take(np.arange(len(points))), weights, sigma)
    for _, block in declared(outputs.labelled, "labelled features").normalised().blocks(256):
        herd.cover(block)
    chosen, gains = [], []
    for _ in range(batch_size):
        row, gain = herd.best(generator)
        herd.take(row)
        chosen.append(row)
        gains.append(gain)
    return Selection(outputs.ids[rows[np.array(chosen)]], np.array(gains))


class _Herd:
    """Images that are to be covered, and what each of them would add.

    Args:
        points: z (n, D).
        weights: of each image (n,).
        sigma: width of the kernel.
    """

    def __init__(self, points: NDArray[np.float32], weights: FloatArray, sigma: float) -> None:
        self._points, self._sigma = points, sigma
        self._scale = float(weights.max()) or 1.0  # very small ones would be 0 in float32
        self._weights = (weights / self._scale / len(weights)).astype(np.float32)
        self._covered = np.zeros(len(points), dtype=np.float32)
        self._bounds = np.full(len(points), np.inf)  # no gain is above; a gain of before is a bound of now
        self._whole = np.concatenate([*self._kernels(points)]) if len(points) <= WHOLE else None

    def cover(self, others: NDArray[np.float32]) -> None:
        """Count other images (m, D) as labelled."""
        for kernel in self._kernels(others):
            np.maximum(self._covered, kernel.max(axis=0), out=self._covered)

    def best(self, generator: np.random.Generator) -> tuple[int, float]:
        """Return the image that adds most, and how much."""
        order = np.argsort(-self._bounds, kind="stable")
        step = 64 if np.isfinite(self._bounds[order[0]]) and self._whole is None else len(order)
        highest = -np.inf
        for first in range(0, len(order), step):
            rows = order[first : first + step]
            if highest * (1 - ROUNDING) > self._bounds[rows[0]] or highest >= 0 >= self._bounds[rows[0]]:
                break
            self._bounds[rows] = self._gains(rows)
            highest = max(highest, self._bounds[rows].max())
        row = pick_highest(self._bounds, generator)
        return row, float(self._bounds[row]) * self._scale

    def take(self, row: int) -> None:
        """Choose an image."""
        for kernel in self._of(np.array([row])):
            np.maximum(self._covered, kernel[0], out=self._covered)
        self._bounds[row] = -np.inf

    def _gains(self, rows: IntArray) -> FloatArray:
        gains = [np.maximum(kernel - self._covered, 0) @ self._weights for kernel in self._of(rows)]
        found = np.concatenate(gains).astype(np.float64)
        found[np.isneginf(self._bounds[rows])] = -np.inf  # chosen before
        return found

    def _of(self, rows: IntArray) -> Iterator[NDArray[np.float32]]:
        """Yield k (b, n) of some of the images, by place, with all."""
        if self._whole is None:
            yield from self._kernels(self._points[rows])
        else:
            yield from (self._whole[rows[first : first + 256]] for first in range(0, len(rows), 256))

    def _kernels(self, rows: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Yield k (b, n) of some of the rows (m, D) at a time with all images."""
        for first in range(0, len(rows), 256):
            yield np.exp(
                squared_distances_of_units(rows[first : first + 256], self._points) / np.float32(-(self._sigma**2))
            )
