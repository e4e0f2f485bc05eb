"""Pools for tests of strategies on features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coilal.active.features import Features
from coilal.active.outputs import PoolOutputs
from coilal.common.types import Kind


def pool_of(
    rows: NDArray[Any],
    labelled: int = 0,
    kind: Kind = "multiclass",
    logits: NDArray[Any] | None = None,
    **more: Any,
) -> PoolOutputs:
    """Return the outputs on a pool, ids from 100 on; the last rows are those of labelled images, logits too."""
    rows = np.ascontiguousarray(rows, dtype=np.float32)
    images = len(rows) - labelled
    return PoolOutputs(
        kind,
        np.arange(100, 100 + images),
        None if logits is None else logits[:images],
        Features(rows, np.arange(images)),
        Features(rows, np.arange(images, len(rows))),
        None if logits is None else logits[images:],
        **more,
    )


def normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def rotation(width: int, seed: int = 9) -> NDArray[np.float64]:
    """Return a random rotation (D, D)."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))[0]


def unit(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Return the rows scaled to length 1."""
    wide = rows.astype(np.float64)
    return wide / np.linalg.norm(wide, axis=1, keepdims=True)


def distances(rows: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float64]:
    """Return the distances (n, m), by their definition."""
    return np.linalg.norm(rows[:, None].astype(np.float64) - others[None].astype(np.float64), axis=2)
