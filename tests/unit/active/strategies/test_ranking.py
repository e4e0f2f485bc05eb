from __future__ import annotations

import numpy as np
import pytest

from coilal.active.outputs import PoolOutputs
from coilal.active.strategies.ranking import ROWS, score_rows, select_highest, select_lowest


def test_highest_and_lowest_agree_with_a_full_sort() -> None:
    generator = np.random.default_rng(0)
    ids, scores = generator.permutation(1000), generator.normal(size=1000)
    order = np.argsort(scores)
    highest = select_highest(ids, scores, 17, generator)
    lowest = select_lowest(ids, scores, 17, generator)
    assert highest.ids.tolist() == ids[order[::-1][:17]].tolist()
    assert highest.scores.tolist() == scores[order[::-1][:17]].tolist()
    assert lowest.ids.tolist() == ids[order[:17]].tolist()
    assert lowest.scores.tolist() == scores[order[:17]].tolist()


def test_every_tied_image_is_equally_likely_in_every_place() -> None:
    scores = np.array([0.0, 1.0, 1.0, 1.0, 2.0])
    places = np.zeros((3, 2))
    for seed in range(3000):
        chosen = select_highest(np.arange(5), scores, 3, np.random.default_rng(seed)).ids
        assert chosen[0] == 4
        places[chosen[1] - 1, 0] += 1
        places[chosen[2] - 1, 1] += 1
    np.testing.assert_allclose(places / 3000, 1 / 3, atol=0.04)  # over 4 standard deviations


def test_taking_all_orders_all() -> None:
    scores = np.array([3.0, 1.0, 2.0])
    assert select_highest(np.array([7, 8, 9]), scores, 3, np.random.default_rng(0)).ids.tolist() == [7, 9, 8]


def test_scores_are_computed_in_float64_over_every_chunk() -> None:
    logits = np.random.default_rng(0).normal(size=(2 * ROWS + 3, 2)).astype(np.float16)
    outputs = PoolOutputs("multilabel", np.arange(len(logits)), logits)
    scores = score_rows(outputs, lambda rows: rows.sum(axis=1))
    np.testing.assert_array_equal(scores, logits.astype(np.float64).sum(axis=1))


def test_scoring_without_logits_is_refused() -> None:
    with pytest.raises(ValueError, match="must declare needs"):
        score_rows(PoolOutputs("multilabel", np.arange(2)), lambda rows: rows[:, 0])
