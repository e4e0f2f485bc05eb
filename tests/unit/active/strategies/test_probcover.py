from __future__ import annotations

import numpy as np
import pytest

from coilal.active.strategies import probcover as module
from coilal.active.strategies.clusters import k_means
from coilal.active.strategies.probcover import probcover
from tests.pools import distances, normal, pool_of, rotation, unit

RNG = np.random.default_rng


def blobs(images: int, labelled: int = 0, seed: int = 0) -> np.ndarray:
    centres = normal(4, 8, seed=seed) * 3
    return np.concatenate(
        [normal(images + labelled, 8, seed=seed + 1) + centres[RNG(2).integers(4, size=images + labelled)]]
    )


def radius_by_hand(rows: np.ndarray, labelled: int, seed: int) -> float:
    """The largest of all distances between images that leaves at least 95 % of the balls pure."""
    pool = pool_of(rows, labelled)
    assert pool.features is not None
    assert pool.labelled is not None
    label, _ = k_means(pool.features.normalised().joined(pool.labelled.normalised()), 4, RNG(seed))
    near = distances(unit(rows), unit(rows))
    differs = label[:, None] != label
    pure = [radius for radius in np.unique(near) if ((near < radius) & differs).any(axis=1).mean() <= 0.05]
    return float(max(pure))


@pytest.mark.proof("probcover", by="brute force on the whole graph")
@pytest.mark.parametrize("labelled", [0, 5])
@pytest.mark.parametrize("seed", range(3))
def test_each_is_one_of_those_that_cover_most(labelled: int, seed: int) -> None:
    rows = blobs(120, labelled)
    selection = probcover(pool_of(rows, labelled, classes=4), 20, RNG(seed))
    graph = distances(unit(rows), unit(rows)) < radius_by_hand(rows, labelled, seed)
    uncovered = ~graph[120:].any(axis=0)
    taken: list[int] = []
    for pick, score in zip((selection.ids - 100).tolist(), selection.scores, strict=True):
        gains = (graph & uncovered).sum(axis=1)[:120]
        gains[taken] = -1
        assert score == gains[pick] == gains.max()
        taken.append(pick)
        uncovered &= ~graph[pick]


@pytest.mark.proof("probcover", by="the same after rotation and scaling of h")
def test_rotated_and_scaled_features_give_the_same() -> None:
    rows = blobs(100)
    first, other = (probcover(pool_of(each, classes=4), 5, RNG(0)) for each in (rows, 3 * rows @ rotation(8)))
    assert first.scores.tolist() == other.scores.tolist()


def test_the_first_images_are_of_different_blobs() -> None:
    rows = blobs(200)
    picked = probcover(pool_of(rows, classes=4), 4, RNG(0)).ids - 100
    assert len(set(RNG(2).integers(4, size=200)[picked])) == 4


def test_of_a_pool_that_is_too_large_a_part_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAMPLE", 40)
    batches = [probcover(pool_of(blobs(200), classes=4), 6, RNG(seed)).ids.tolist() for seed in range(20)]
    assert all(len(set(batch)) == 6 for batch in batches)
    assert len(set(np.concatenate(batches))) > 40


@pytest.mark.proof("probcover", by="coverage of scikit-activeml's picks with the same balls on z")
def test_it_covers_as_much_as_scikit_activeml_with_the_same_balls() -> None:
    theirs = pytest.importorskip("skactiveml.pool", reason="scikit-activeml comes with the group bench")
    rows = blobs(150)
    z, radius = unit(rows), radius_by_hand(rows, 0, 0)
    graph = distances(z, z) < radius * (1 - 1e-6)
    strategy = theirs.ProbCover(n_classes=4, deltas=[radius * (1 - 1e-6)], random_state=0)
    other = strategy.query(z, np.full(150, np.nan), batch_size=3)
    ours = probcover(pool_of(rows, classes=4), 3, RNG(0)).ids - 100
    assert graph[ours].any(axis=0).sum() == graph[other].any(axis=0).sum()
    raw = theirs.ProbCover(n_classes=4, random_state=0).query(rows, np.full(150, np.nan), batch_size=3)
    assert graph[raw].any(axis=0).sum() < graph[ours].any(axis=0).sum(), "it does not scale to length 1"
