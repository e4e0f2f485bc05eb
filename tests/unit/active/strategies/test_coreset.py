from __future__ import annotations

import numpy as np
import pytest

from coilal.active.strategies.coreset import Farthest, coreset
from coilal.common.types import FloatArray
from tests.pools import distances, normal, pool_of, rotation

RNG = np.random.default_rng


def by_hand(rows: np.ndarray, labelled: int, number: int) -> tuple[list[int], list[float]]:
    """k-center greedy by its definition."""
    centres, chosen, radii = list(range(len(rows) - labelled, len(rows))), [], []
    for _ in range(number):
        nearest = distances(rows, rows[centres]).min(axis=1)
        nearest[centres] = -1
        chosen.append(int(nearest.argmax()))
        radii.append(float(nearest.max()))
        centres.append(chosen[-1])
    return chosen, radii


@pytest.mark.proof("coreset", by="brute force")
@pytest.mark.parametrize("width", [2, 40, 384])
@pytest.mark.parametrize("candidates", [1, 7, 1000])
def test_as_by_hand(width: int, candidates: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coilal.active.strategies.coreset.CANDIDATES", candidates)
    rows = normal(80, width) * 3 + 1
    expected, radii = by_hand(rows, 9, 20)
    selection = coreset(pool_of(rows, 9), 20, RNG(0))
    assert (selection.ids - 100).tolist() == expected
    np.testing.assert_allclose(selection.scores, radii, rtol=1e-4)


def test_a_pass_over_all_images_is_made_when_the_farthest_may_be_among_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passes = []
    look = Farthest._look

    def counted(self: Farthest) -> None:
        passes.append(len(self._pending))
        look(self)

    monkeypatch.setattr(Farthest, "_look", counted)
    monkeypatch.setattr("coilal.active.strategies.coreset.CANDIDATES", 50)
    rows = normal(500, 8)
    expected, _ = by_hand(rows, 5, 40)
    assert (coreset(pool_of(rows, 5), 40, RNG(0)).ids - 100).tolist() == expected
    assert 1 <= len(passes) < 10
    assert min(passes) > 1


@pytest.mark.parametrize("candidates", [2, 1000])
def test_equally_far_images_are_drawn_whether_candidates_or_not(
    candidates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coilal.active.strategies.coreset.CANDIDATES", candidates)
    pool = pool_of(np.repeat(np.eye(2), [20, 1], axis=0), 1)
    assert {int(coreset(pool, 1, RNG(seed)).ids[0]) for seed in range(300)} == set(range(100, 120))


@pytest.mark.proof("coreset", by="the same after rotation, shift and scaling of h")
def test_rotated_shifted_and_scaled_features_give_the_same() -> None:
    rows = normal(80, 12)
    moved = 7 * (rows @ rotation(12)) + 2
    chosen, other = (coreset(pool_of(each, 5), 15, RNG(0)) for each in (rows, moved))
    assert chosen.ids.tolist() == other.ids.tolist()
    np.testing.assert_allclose(other.scores, 7 * chosen.scores, rtol=1e-3)


def test_without_labels_the_first_is_drawn_and_has_no_score() -> None:
    pool = pool_of(normal(40, 5))
    firsts = {int(coreset(pool, 3, RNG(seed)).ids[0]) for seed in range(60)}
    assert len(firsts) > 20
    scores: FloatArray = coreset(pool, 3, RNG(0)).scores
    assert np.isnan(scores).tolist() == [True, False, False]


def test_twins_of_labelled_images_are_asked_for_last() -> None:
    rows = normal(30, 384)
    rows[:5] = rows[25:]
    chosen = coreset(pool_of(rows, 5), 25, RNG(0))
    assert set((chosen.ids[-5:] - 100).tolist()) == set(range(5))
    assert chosen.scores[-5:].tolist() == [0] * 5


@pytest.mark.proof("coreset", by="equal picks with scikit-activeml")
def test_the_same_as_scikit_activeml() -> None:
    pool = pytest.importorskip("skactiveml.pool", reason="scikit-activeml comes with the group bench")
    rows = normal(60, 8)
    labels = np.full(60, np.nan)
    labels[50:] = 0
    theirs = pool.CoreSet(random_state=0).query(rows, labels, batch_size=12)
    assert (coreset(pool_of(rows, 10), 12, RNG(0)).ids - 100).tolist() == theirs.tolist()
