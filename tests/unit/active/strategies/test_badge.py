from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, softmax
from scipy.stats import chisquare

from coilal.active.strategies.badge import PENDING, TRIES, Seeding, badge, prediction_errors
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
    """k-means++ on g, drawing as the strategy does: a candidate is the first of ``TRIES`` draws."""
    chosen = [int(generator.integers(len(g)))]
    for _ in range(number - 1):
        squares = np.square(g[:, None] - g[chosen][None]).sum(axis=2).min(axis=1)
        cumulative = np.cumsum(squares)
        chosen.append(int(np.searchsorted(cumulative, generator.random(TRIES)[0] * cumulative[-1], side="right")))
        generator.random(TRIES)  # nothing is rejected
    return chosen


@pytest.mark.proof("badge", by="k-means++ on gradients that are built")
@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
@pytest.mark.parametrize("seed", range(5))
def test_as_with_gradients_that_are_built(kind: Kind, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coilal.active.strategies.badge.PENDING", 1)  # all distances are always those of now
    rows, logits = normal(70, 9), normal(70, 4, seed=1) * 2
    expected = by_hand(gradients(rows, logits, kind), 15, RNG(seed))
    assert (badge(pool_of(rows, kind=kind, logits=logits), 15, RNG(seed)).ids - 100).tolist() == expected


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
def test_the_score_is_the_distance_to_the_nearest_one_before(kind: Kind) -> None:
    rows, logits = normal(200, 9), normal(200, 4, seed=1) * 2
    g = gradients(rows, logits, kind)
    selection = badge(pool_of(rows, kind=kind, logits=logits), 50, RNG(0))
    chosen = g[selection.ids - 100]
    nearest = [np.linalg.norm(chosen[:place] - chosen[place], axis=1).min() for place in range(1, 50)]
    np.testing.assert_allclose(selection.scores, [np.linalg.norm(chosen[0]), *nearest], rtol=1e-3)


def probabilities(g: np.ndarray, number: int) -> np.ndarray:
    """Return the probability that k-means++ draws these images in this order: one axis an image drawn."""
    found = np.zeros((len(g),) * number)
    for places in itertools.permutations(range(len(g)), number):
        found[places] = 1 / len(g)
        for drawn in range(1, number):
            squares = np.square(g[:, None] - g[list(places[:drawn])][None]).sum(axis=2).min(axis=1)
            found[places] *= squares[places[drawn]] / squares.sum()
    return found


@pytest.mark.proof("badge", by="frequencies of the images drawn")
@pytest.mark.parametrize("tries", [1, 32])
def test_images_are_drawn_in_proportion_to_their_squared_distances(
    tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By distances that are out of date since the second image on, too; with one try many a draw ends in a pass."""
    monkeypatch.setattr("coilal.active.strategies.badge.TRIES", tries)
    rows, logits = normal(6, 3), normal(6, 3, seed=1)
    pool, counts = pool_of(rows, logits=logits), np.zeros((6,) * 3)
    for seed in range(2500):
        counts[tuple(badge(pool, 3, RNG(seed)).ids - 100)] += 1
    expected = 2500 * probabilities(gradients(rows, logits, "multiclass"), 3)
    possible = expected > 0
    assert counts[~possible].sum() == 0
    likely = expected >= 5  # of the others the sum
    both = [np.append(each[likely], each[possible & ~likely].sum()) for each in (counts, expected)]
    assert chisquare(*both).pvalue > 1e-3


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many images were chosen before each pass."""
    found: list[int] = []
    look = Seeding._look

    def counted(self: Seeding) -> None:
        found.append(len(self._chosen))
        look(self)

    monkeypatch.setattr(Seeding, "_look", counted)
    return found


def test_a_pass_serves_several_images(passes: list[int]) -> None:
    badge(pool_of(normal(500, 20), logits=normal(500, 4, seed=1)), 100, RNG(0))
    assert passes == list(range(1, 100, PENDING))


def test_a_pass_is_made_early_where_distances_have_fallen_since(passes: list[int]) -> None:
    """One image is so far away that it is drawn again and again until a pass tells that it is chosen."""
    rows = normal(500, 20)
    rows[7] *= 1e4
    chosen = badge(pool_of(rows, logits=normal(500, 4, seed=1)), 10, RNG(0)).ids - 100
    assert chosen[1] == 7
    assert passes == [1, 2]


def test_copies_are_drawn_when_nothing_else_is_left(passes: list[int]) -> None:
    copies = np.arange(500) % 5
    pool = pool_of(normal(5, 8)[copies], logits=normal(5, 3, seed=1)[copies])
    selection = badge(pool, 300, RNG(0))
    places = copies[selection.ids - 100]
    assert sorted(places[:5]) == [0, 1, 2, 3, 4]
    assert not selection.scores[5:].any()
    assert len(set(selection.ids.tolist())) == 300
    assert len(set(places[5:15])) > 1, "at random"


@pytest.mark.proof("badge", by="what the batch has already is chosen")
def test_images_that_the_batch_has_already_are_chosen_ones() -> None:
    rows, logits = normal(9, 8), normal(9, 3, seed=1)
    g = gradients(rows, logits, "multiclass")
    pool = pool_of(rows, logits=logits)
    there = np.isin(np.arange(9), [2, 5, 7])
    rest = replace(pool.without(there), taken=pool.without(~there))
    counts = np.zeros(9)
    for seed in range(1500):
        counts[badge(rest, 1, RNG(seed)).ids - 100] += 1
    squares = np.square(g[:, None] - g[there][None]).sum(axis=2).min(axis=1)
    assert chisquare(counts[~there], 1500 * (squares / squares.sum())[~there]).pvalue > 1e-3


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
