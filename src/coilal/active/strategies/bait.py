"""BAIT: images that leave least doubt about the last layer, by its Fisher information."""

from __future__ import annotations

from copy import copy
from typing import NamedTuple

import numpy as np
from scipy import linalg
from scipy.special import expit

from coilal.active.features import Features
from coilal.active.outputs import Logits, PoolOutputs, Selection, declared
from coilal.active.strategies.multiclass import least_confidence
from coilal.active.strategies.picking import pick_highest
from coilal.active.strategies.ranking import score_logits
from coilal.common.types import FloatArray, IntArray, Kind

PRIOR = 1.0


def bait(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Choose the batch after which the expected error of the last layer on the pool is least.

    Formula: tr(M⁻¹ F) with F = mean over the pool of w h hᵀ and M = I + Σ w h hᵀ over labelled and chosen images;
    w = p₁ (1 − p₁) of the likeliest class against the rest, for labels the mean of p_c (1 − p_c), so that M is D ×
    D and not CD × CD. Direction: lowest; greedily forward to twice the batch, then backward to the batch. Source:
    Ash et al. 2021, Gone Fishing: Neural Active Learning with Fisher Embeddings, algorithm 1; the binary form:
    Huseljic et al. 2024, Fast Fishing: Approximating BAIT for Efficient and Scalable Deep Active Image
    Classification. Theirs takes the mean over the labelled images where this takes the sum, in which a labelled
    image counts as much as a chosen one. The score is what the image takes off the trace when it is chosen.
    """
    features, of_labelled = _spanned(
        declared(outputs.features, "features"), declared(outputs.labelled, "labelled features")
    )
    pool = _Embeddings(features, weights(declared(outputs.logits, "logits"), outputs.kind))
    labelled = _Embeddings(of_labelled, weights(declared(outputs.labelled_logits, "labelled logits"), outputs.kind))
    inverse = linalg.inv(PRIOR * np.eye(labelled.features.width) + labelled.information())
    fisher = pool.information() / len(outputs)
    forward = _Trace(pool, inverse, inverse @ fisher @ inverse)
    rows: list[int] = []
    gains: list[float] = []
    for _ in range(min(2 * batch_size, len(outputs))):
        left = forward.gains()
        left[rows] = -np.inf
        row = pick_highest(left, generator)
        rows.append(row)
        gains.append(float(left[row]))
        forward.add(row)
    kept = _backward(forward.among(np.array(rows)), len(rows) - batch_size, generator)
    return Selection(outputs.ids[np.array(rows)[kept]], np.array(gains)[kept])


def _spanned(pool: Features, labelled: Features) -> tuple[Features, Features]:
    """Return wide features in coordinates of the space that the images span, where these are fewer than D.

    Nothing depends on what is orthogonal to all images, nor on a rotation.
    """
    joined = pool.joined(labelled)
    if len(joined) >= joined.width:
        return pool, labelled
    rows = joined.take(np.arange(len(joined))).astype(np.float64)
    (triangle,) = linalg.qr(rows.T, mode="r")
    square = triangle[: len(joined)].T.astype(np.float32)
    return Features(square, np.arange(len(pool))), Features(square, np.arange(len(pool), len(joined)))


def weights(logits: Logits, kind: Kind) -> FloatArray:
    """Return w of each image, (n, C) → (n,)."""
    return score_logits(logits, _binary if kind == "multiclass" else _of_labels)


def _binary(logits: FloatArray) -> FloatArray:
    doubt = least_confidence(logits)
    return doubt * (1 - doubt)


def _of_labels(logits: FloatArray) -> FloatArray:
    weight: FloatArray = (expit(logits) * expit(-logits)).mean(axis=1)
    return weight


class _Embeddings:
    """u = √w h of n images, whose outer products are their Fisher information.

    Args:
        features: h (n, D).
        weight: w (n,).
    """

    def __init__(self, features: Features, weight: FloatArray) -> None:
        self.features, self.root = features, np.sqrt(weight)

    def subset(self, rows: IntArray) -> _Embeddings:
        """Return those of some of the images."""
        return _Embeddings(self.features.subset(rows), np.square(self.root[rows]))

    def rows(self) -> FloatArray:
        """Return u of all images (n, D)."""
        rows = self.features.take(np.arange(len(self.features))).astype(np.float64)
        return np.asarray(rows * self.root[:, None])

    def products(self, vectors: FloatArray) -> FloatArray:
        """Return the products with k vectors (k, D): (n, k)."""
        found: FloatArray = (
            self.features.products(vectors.astype(np.float32)).astype(np.float64) * self.root[:, None]
        )
        return found

    def information(self) -> FloatArray:
        """Return Σ u uᵀ, (D, D)."""
        total = np.zeros((self.features.width, self.features.width))
        root = self.root.astype(np.float32)
        for here, block in self.features.blocks():
            rows = block * root[here, None]
            total += (rows.T @ rows).astype(np.float64)
        return total

    def forms(self, matrix: FloatArray) -> FloatArray:
        """Return uᵀ A u of each image, (n,)."""
        found = np.empty(len(self.features))
        for here, block in self.features.blocks():
            own = block.astype(np.float64) * self.root[here, None]
            found[here] = np.einsum("nd,nd->n", own @ matrix, own)
        return found


class _Trace:
    """tr(M⁻¹ F), and what each image would change of it, kept up to date by updates of rank one.

    A = M⁻¹ and B = M⁻¹ F M⁻¹ stay as they were at first; what the updates add is kept beside them as vectors, which
    is much less to write than D × D numbers an update.

    Args:
        embeddings: u of the images.
        inverse: A (D, D).
        both: B (D, D).
    """

    def __init__(self, embeddings: _Embeddings, inverse: FloatArray, both: FloatArray) -> None:
        self._embeddings, self._inverse, self._both = embeddings, inverse, both
        self._of_inverse, self._of_both = embeddings.forms(inverse), embeddings.forms(both)
        self._updates: list[_Update] = []

    def among(self, rows: IntArray) -> _Trace:
        """Return the same for some of the images, computed anew in float64: 1 − uᵀ A u may be small."""
        some = copy(self)
        some._embeddings, some._updates = self._embeddings.subset(rows), [*self._updates]
        u = some._embeddings.rows()
        of_inverse, of_both = self._products(u)
        some._of_inverse = np.einsum("nd,nd->n", of_inverse, u)
        some._of_both = np.einsum("nd,nd->n", of_both, u)
        return some

    def gains(self) -> FloatArray:
        """Return what each image takes off the trace if it is added, (n,)."""
        return self._of_both / (1 + self._of_inverse)

    def losses(self) -> FloatArray:
        """Return what each image, which must be in M, adds to the trace if it is removed, (n,)."""
        return self._of_both / np.maximum(1 - self._of_inverse, np.finfo(np.float64).eps)

    def add(self, row: int, sign: int = 1) -> None:
        """Add u uᵀ of an image to M; remove it if the sign is −1 (Sherman & Morrison 1950)."""
        (u,) = self._embeddings.subset(np.array([row])).rows()
        (y,), (z,) = self._products(u[None])
        scale, form = sign / (1 + sign * float(u @ y)), float(u @ z)
        self._updates.append(_Update(y, z, scale, form))
        of_y, of_z = self._embeddings.products(np.stack([y, z])).T
        self._of_inverse -= scale * of_y**2
        self._of_both += scale * of_y * (scale * form * of_y - 2 * of_z)

    def _products(self, u: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return A u and B u of some vectors (k, D)."""
        of_inverse, of_both = u @ self._inverse, u @ self._both
        for y, z, scale, form in self._updates:
            of_y, of_z = u @ y, u @ z
            of_inverse -= np.outer(scale * of_y, y)
            of_both += np.outer(scale * (scale * form * of_y - of_z), y) - np.outer(scale * of_y, z)
        return of_inverse, of_both


class _Update(NamedTuple):
    """A changes by −s y yᵀ, and B by −s (y zᵀ + z yᵀ) + s² f y yᵀ."""

    y: FloatArray
    z: FloatArray
    scale: float
    form: float


def _backward(trace: _Trace, number: int, generator: np.random.Generator) -> IntArray:
    """Remove so many images, each the one that is missed least; return the places of the others, ascending."""
    kept = np.ones(len(trace.losses()), dtype=np.bool_)
    for _ in range(number):
        row = pick_highest(np.where(kept, -trace.losses(), -np.inf), generator)
        kept[row] = False
        trace.add(row, sign=-1)
    return np.flatnonzero(kept)
