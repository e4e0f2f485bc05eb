from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax

from coilal.active.strategies.bait import bait, weights
from coilal.common.types import Kind
from tests.pools import normal, pool_of, rotation

RNG = np.random.default_rng


def by_hand(rows: np.ndarray, weight: np.ndarray, labelled: int, number: int) -> list[int]:
    """Forward and backward greedy, every trace computed anew."""
    u = rows.astype(np.float64) * np.sqrt(weight)[:, None]
    images = len(rows) - labelled
    fisher = u[:images].T @ u[:images] / images

    def trace(chosen: list[int]) -> float:
        some = np.concatenate([u[images:], u[chosen]])
        return float(np.trace(np.linalg.solve(np.eye(rows.shape[1]) + some.T @ some, fisher)))

    chosen: list[int] = []
    for _ in range(min(2 * number, images)):
        left = [i for i in range(images) if i not in chosen]
        chosen.append(min(left, key=lambda i: trace([*chosen, i])))
    while len(chosen) > number:
        chosen.remove(min(chosen, key=lambda i: trace([j for j in chosen if j != i])))
    return chosen


@pytest.mark.proof("bait", by="brute force, every trace computed anew")
@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
@pytest.mark.parametrize(("images", "number", "width"), [(40, 6, 5), (9, 6, 5), (25, 5, 60)])
def test_as_with_every_trace_computed_anew(kind: Kind, images: int, number: int, width: int) -> None:
    rows, logits = normal(images + 7, width), normal(images + 7, 3, seed=1)
    probabilities = softmax(logits, axis=1).max(axis=1) if kind == "multiclass" else expit(logits)
    weight = probabilities * (1 - probabilities)
    expected = by_hand(rows, weight if kind == "multiclass" else weight.mean(axis=1), 7, number)
    selection = bait(pool_of(rows, 7, kind, logits), number, RNG(0))
    assert (selection.ids - 100).tolist() == expected
    assert (selection.scores > 0).all()


@pytest.mark.proof("bait", by="the same after rotation of h")
def test_rotated_features_give_the_same() -> None:
    rows, logits = normal(60, 12), normal(60, 3, seed=1)
    chosen, other = (bait(pool_of(each, 8, logits=logits), 9, RNG(0)) for each in (rows, rows @ rotation(12)))
    assert chosen.ids.tolist() == other.ids.tolist()


def test_wide_features_of_many_images_drift_by_no_pick() -> None:
    rows, logits = normal(300, 128) * 3, normal(300, 4, seed=1)
    probabilities = softmax(logits, axis=1).max(axis=1)
    expected = by_hand(rows, probabilities * (1 - probabilities), 20, 10)
    assert (bait(pool_of(rows, 20, logits=logits), 10, RNG(0)).ids - 100).tolist() == expected


def test_weights_do_not_round_to_nothing() -> None:
    logits = np.array([[40.0, 0.0]])
    np.testing.assert_allclose(weights(logits, "multiclass"), np.exp(-40))
    np.testing.assert_allclose(weights(logits, "multilabel"), (np.exp(-40) + 0.25) / 2)
