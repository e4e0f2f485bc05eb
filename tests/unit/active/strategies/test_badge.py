from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax
from scipy.stats import chisquare

from coilal.active.strategies.badge import badge, prediction_errors
from coilal.common.types import Kind
from tests.pools import normal, pool_of, rotation

RNG = np.random.default_rng


def gradients(rows: np.ndarray, logits: np.ndarray, kind: Kind) -> np.ndarray:
    """Return g (n, CD), built."""
    logits = logits.astype(np.float64)
    if kind == "multiclass":
        errors = softmax(logits, axis=1) - np.eye(logits.shape[1])[logits.argmax(1)]
    else:
        errors = expit(logits) - (expit(logits) > 0.5)
    return (errors[:, :, None] * rows[:, None].astype(np.float64)).reshape(len(rows), -1)


def by_hand(g: np.ndarray, number: int, generator: np.random.Generator) -> list[int]:
    """k-means++ on g, drawing as the strategy does."""
    chosen = [int(generator.integers(len(g)))]
    for _ in range(number - 1):
        squares = np.square(g[:, None] - g[chosen][None]).sum(axis=2).min(axis=1)
        cumulative = np.cumsum(squares)
        chosen.append(int(np.searchsorted(cumulative, generator.random() * cumulative[-1], side="right")))
    return chosen


@pytest.mark.proof("badge", by="k-means++ on gradients that are built")
@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
@pytest.mark.parametrize("seed", range(5))
def test_as_with_gradients_that_are_built(kind: Kind, seed: int) -> None:
    rows, logits = normal(70, 9), normal(70, 4, seed=1) * 2
    expected = by_hand(gradients(rows, logits, kind), 15, RNG(seed))
    assert (badge(pool_of(rows, kind=kind, logits=logits), 15, RNG(seed)).ids - 100).tolist() == expected


@pytest.mark.proof("badge", by="frequencies of the images drawn")
def test_each_next_image_is_drawn_in_proportion_to_its_squared_distance() -> None:
    rows, logits = normal(6, 3), normal(6, 3, seed=1)
    g = gradients(rows, logits, "multiclass")
    pairs = [badge(pool_of(rows, logits=logits), 2, RNG(seed)).ids - 100 for seed in range(6000)]
    counts = np.zeros((6, 6))
    np.add.at(counts, tuple(np.array(pairs).T), 1)
    squares = np.square(g[:, None] - g[None]).sum(axis=2)
    expected = counts.sum(axis=1, keepdims=True) * squares / squares.sum(axis=1, keepdims=True)
    off = ~np.eye(6, dtype=bool)
    assert chisquare(counts[off], expected[off], sum_check=False).pvalue > 1e-3
    assert chisquare(counts.sum(axis=1)).pvalue > 1e-3, "the first one uniformly"


@pytest.mark.proof("badge", by="the same after rotation and scaling of h")
def test_rotated_and_scaled_features_give_the_same() -> None:
    rows, logits = normal(60, 8), normal(60, 3, seed=1)
    moved = 5 * (rows @ rotation(8))
    chosen, other = (badge(pool_of(each, logits=logits), 12, RNG(0)) for each in (rows, moved))
    assert chosen.ids.tolist() == other.ids.tolist()


def test_of_images_of_which_the_model_is_sure_one_stands_for_all() -> None:
    """Their gradients are zero, and zero is a place like another for k-means++."""
    rows, logits = normal(60, 8), normal(60, 3, seed=1)
    logits[:50] *= 1e4
    chosen = badge(pool_of(rows, logits=logits), 9, RNG(0)).ids - 100
    assert (chosen < 50).sum() == 1


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
def test_errors_are_exact_where_the_model_is_sure(kind: Kind) -> None:
    logits = np.array([[40.0, 0.0], [0.0, -40.0]])
    errors = prediction_errors(pool_of(normal(2, 3), kind=kind, logits=logits))
    small = np.exp(-40)
    expected = [[-small, small], [-small, small]] if kind == "multiclass" else [[-small, 0.5], [0.5, small]]
    np.testing.assert_allclose(errors, expected, rtol=1e-5)
