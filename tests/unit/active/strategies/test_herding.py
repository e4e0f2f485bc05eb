from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax

from coilal.active.outputs import HeldOut
from coilal.active.strategies import herding
from coilal.active.strategies.herding import maxherding, temperature, uherding
from coilal.common.types import Kind
from tests.pools import distances, normal, pool_of, rotation, unit

RNG = np.random.default_rng


def by_hand(
    rows: np.ndarray, labelled: int, number: int, weights: np.ndarray | float = 1.0, sigma: float = 1.0
) -> tuple[list[int], list[float]]:
    """The greedy choice with every gain computed anew."""
    kernel = np.exp(-np.square(distances(unit(rows), unit(rows)) / sigma))
    images = len(rows) - labelled
    weights = np.broadcast_to(weights, images)[:, None]
    covered = kernel[:images, images:].max(axis=1, initial=0)
    chosen, gains = [], []
    for _ in range(number):
        gain = (weights * np.maximum(kernel[:images, :images] - covered[:, None], 0)).mean(axis=0)
        gain[chosen] = -1
        chosen.append(int(gain.argmax()))
        gains.append(float(gain.max()))
        covered = np.maximum(covered, kernel[:images, chosen[-1]])
    return chosen, gains


@pytest.mark.proof("maxherding", by="brute force, every gain computed anew")
@pytest.mark.parametrize("labelled", [0, 6])
@pytest.mark.parametrize("width", [3, 64])
def test_as_with_every_gain_computed_anew(labelled: int, width: int) -> None:
    rows = normal(300, width)
    expected, gains = by_hand(rows, labelled, 25)
    selection = maxherding(pool_of(rows, labelled), 25, RNG(0))
    assert (selection.ids - 100).tolist() == expected
    np.testing.assert_allclose(selection.scores, gains, rtol=1e-3, atol=1e-7)


@pytest.mark.proof("maxherding", by="the same after rotation and scaling of h")
def test_rotated_and_scaled_features_give_the_same() -> None:
    rows = normal(80, 10)
    chosen, other = (maxherding(pool_of(each, 4), 12, RNG(0)) for each in (rows, 6 * rows @ rotation(10)))
    assert chosen.ids.tolist() == other.ids.tolist()


def test_of_a_pool_that_is_too_large_a_part_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(herding, "SAMPLE", 50)
    pool = pool_of(normal(200, 5), 4)
    batches = [maxherding(pool, 8, RNG(seed)).ids.tolist() for seed in range(30)]
    assert all(len(set(batch)) == 8 for batch in batches)
    assert len(set(np.concatenate(batches))) > 60, "another part each time"


def held_out(kind: Kind, scale: float) -> HeldOut:
    """Return predictions that are as sure as they should be at the temperature given."""
    generator = RNG(3)
    logits = generator.normal(size=(20_000, 3)) * 2
    if kind == "multiclass":
        p = softmax(logits, axis=1).cumsum(axis=1)
        values = (generator.random((20_000, 1)) > p).sum(axis=1)
    else:
        values = (generator.random(logits.shape) < expit(logits)).astype(np.int64)
    return HeldOut(logits * scale, values)


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
@pytest.mark.parametrize("scale", [0.3, 1, 6])
def test_the_temperature_is_found(kind: Kind, scale: float) -> None:
    assert temperature(held_out(kind, scale), kind) == pytest.approx(scale, rel=0.05)


def test_without_held_out_images_the_temperature_is_one_and_always_right_has_the_lowest() -> None:
    nothing = HeldOut(np.empty((0, 3)), np.empty(0, dtype=np.int64))
    assert temperature(nothing, "multiclass") == 1
    right = HeldOut(np.eye(3), np.arange(3))
    assert temperature(right, "multiclass") == pytest.approx(0.05, rel=0.01)


@pytest.mark.proof("uherding", by="brute force, every gain computed anew")
@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
def test_uncertain_images_are_covered_as_with_every_gain_computed_anew(kind: Kind) -> None:
    rows, logits, known = normal(130, 6), normal(130, 3, seed=1), held_out(kind, 2)
    z, cold = unit(rows[120:]), logits[:120].astype(np.float64) / temperature(known, kind)
    sigma = distances(z, z)[~np.eye(10, dtype=bool)].min()
    if kind == "multiclass":
        top = np.sort(softmax(cold, axis=1), axis=1)
        weights = 1 - (top[:, -1] - top[:, -2])
    else:
        weights = 1 - np.abs(2 * expit(cold) - 1).mean(axis=1)
    expected, gains = by_hand(rows, 10, 15, weights, float(sigma))
    selection = uherding(pool_of(rows, 10, kind, logits, held_out=known), 15, RNG(0))
    assert (selection.ids - 100).tolist() == expected
    np.testing.assert_allclose(selection.scores, gains, rtol=1e-3)


def labels(images: int, labelled: int) -> np.ndarray:
    """Return NaN for each image of the pool and a class for the labelled ones, as scikit-activeml has them."""
    found = np.full(images, np.nan)
    found[images - labelled :] = 0
    return found


@pytest.mark.proof("maxherding", by="equal picks with scikit-activeml at γ = 1, others at its default")
def test_the_same_as_scikit_activeml_with_a_kernel_of_the_same_width() -> None:
    theirs = pytest.importorskip("skactiveml.pool", reason="scikit-activeml comes with the group bench")
    rows = np.hstack([normal(90, 4) + 1, np.zeros((90, 60))])  # few directions: no two images gain exactly the same
    ours = (maxherding(pool_of(rows, 6), 12, RNG(0)).ids - 100).tolist()

    def query(**settings: float) -> list[int]:
        strategy = theirs.MaxHerding(metric_dict=settings or None, random_state=0)
        return [int(row) for row in strategy.query(rows, labels(90, 6), batch_size=12)]

    assert query(gamma=1.0) == ours
    assert query() != ours, "γ is 1 / width there, which is nearly flat on vectors of length 1"
