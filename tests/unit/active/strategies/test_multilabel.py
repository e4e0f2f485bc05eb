from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import entropy as scipy_entropy

from coilal.active.outputs import PoolOutputs, QueryFunction
from coilal.active.strategies.entropy import entropy
from coilal.active.strategies.multilabel import avg_confidence, avg_score, max_confidence, max_score, min_confidence

LOGITS = np.random.default_rng(2).normal(scale=2, size=(400, 3))
P = expit(LOGITS)
F = 2 * P - 1
Q = np.stack([P, 1 - P])


def order(strategy: QueryFunction, logits: np.ndarray = LOGITS, seed: int = 0) -> list[int]:
    outputs = PoolOutputs("multilabel", np.arange(len(logits)), logits)
    return strategy(outputs, len(logits), np.random.default_rng(seed)).ids.tolist()


@pytest.mark.proof(
    "avg_confidence", "min_confidence", "max_confidence", "avg_score", "max_score", by="the definition by hand"
)
@pytest.mark.parametrize(
    ("strategy", "expected", "sign"),
    [
        (avg_confidence, np.abs(F).mean(axis=1), 1),
        (min_confidence, np.abs(F).min(axis=1), 1),
        (max_confidence, np.abs(F).max(axis=1), 1),
        (avg_score, F.mean(axis=1), -1),
        (max_score, F.max(axis=1), -1),
    ],
)
def test_formula_and_direction(strategy: QueryFunction, expected: np.ndarray, sign: int) -> None:
    selection = strategy(PoolOutputs("multilabel", np.arange(400), LOGITS), 400, np.random.default_rng(0))
    rows = np.argsort(sign * expected)
    assert selection.ids.tolist() == rows.tolist()
    np.testing.assert_allclose(selection.scores, expected[rows], atol=1e-14)


@pytest.mark.parametrize(
    ("strategy", "logits", "expected"),
    [
        (avg_confidence, [[50.0, -50], [60, -60], [70, 40]], [2, 0, 1]),
        (min_confidence, [[50.0, -50], [60, -60], [70, 40]], [2, 0, 1]),
        (max_confidence, [[50.0, -50], [60, -60], [70, 40]], [0, 1, 2]),
        (avg_score, [[50.0, 60], [40, 90], [70, 60]], [2, 0, 1]),
        (max_score, [[50.0, 60], [40, 90], [70, 60]], [1, 2, 0]),
    ],
)
def test_saturated_probabilities_still_rank(
    strategy: QueryFunction, logits: list[list[float]], expected: list[int]
) -> None:
    for seed in range(5):
        assert order(strategy, np.array(logits), seed) == expected


@pytest.mark.parametrize(
    ("score", "strategy"),
    [
        (lambda: np.abs(P - (1 - P)).mean(axis=1), avg_confidence),  # mean margin, lowest
        (lambda: -(1 - np.maximum(P, 1 - P)).mean(axis=1), avg_confidence),  # mean least confidence, highest
        (lambda: -scipy_entropy(Q, axis=0).max(axis=1), min_confidence),  # largest binary entropy, highest
    ],
)
def test_rankings_that_are_the_same_are_offered_once(
    score: Callable[[], np.ndarray], strategy: QueryFunction
) -> None:
    assert np.argsort(score()).tolist() == order(strategy)


def test_mean_entropy_differs_from_mean_confidence_for_two_labels_but_not_for_one() -> None:
    assert order(entropy, LOGITS[:, :2]) != order(avg_confidence, LOGITS[:, :2])
    assert order(entropy, LOGITS[:, :1]) == order(avg_confidence, LOGITS[:, :1])
