from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from coilal.active.outputs import PoolOutputs, Selection
from coilal.active.strategies.round_robin import Evidence, round_robin
from coilal.common.types import UserError

LOGITS = np.random.default_rng(4).normal(scale=2, size=(60, 3))


def choose(evidence: Evidence, batch_size: int, logits: np.ndarray = LOGITS, seed: int = 0) -> Selection:
    outputs = PoolOutputs("multilabel", np.arange(len(logits)) + 100, logits)
    return round_robin(outputs, batch_size, np.random.default_rng(seed), evidence)


def by_hand(evidence: str, batch_size: int, order: list[int]) -> tuple[list[int], list[float]]:
    f = 2 * expit(LOGITS) - 1
    scores = np.abs(f) if evidence == "confidence" else f
    ids: list[int] = []
    taken_scores = []
    while len(ids) < batch_size:
        for label in order:
            left = [row for row in range(60) if row + 100 not in ids]
            if not left or len(ids) == batch_size:
                break
            best = (min if evidence == "confidence" else max)(left, key=lambda row, c=label: scores[row, c])
            ids.append(best + 100)
            taken_scores.append(scores[best, label])
    return ids, taken_scores


@pytest.mark.proof("round_robin_confidence", "round_robin_score", by="the turns by hand")
@pytest.mark.parametrize("evidence", ["confidence", "score"])
@pytest.mark.parametrize("batch_size", [1, 2, 10, 60])
def test_agrees_with_the_labels_taking_turns_by_hand(evidence: Evidence, batch_size: int) -> None:
    order = np.random.default_rng(0).permutation(3).tolist()  # the first thing drawn: who begins
    ids, scores = by_hand(evidence, batch_size, order)
    selection = choose(evidence, batch_size)
    assert selection.ids.tolist() == ids
    np.testing.assert_allclose(selection.scores, scores, atol=1e-14)


def test_a_label_whose_favourites_are_taken_goes_on_to_its_next() -> None:
    # Both labels rank the rows the same: each must still get its turn.
    logits = np.repeat(np.array([[4.0], [3], [2], [1]]), 2, axis=1)
    assert choose("score", 3, logits).ids.tolist() == [100, 101, 102]


def test_each_label_begins_about_equally_often() -> None:
    logits = np.diag([5.0, 5, 5]) - 1
    first = [int(choose("score", 1, logits, seed).ids[0]) for seed in range(600)]
    np.testing.assert_allclose(np.bincount(np.array(first) - 100) / 600, 1 / 3, atol=0.08)


def test_unknown_evidence_is_refused() -> None:
    with pytest.raises(UserError, match="choose confidence or score"):
        choose("confidense", 1)  # type: ignore[arg-type]
