from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from coilal.active.strategies import typiclust as module
from coilal.active.strategies.clusters import k_means
from coilal.active.strategies.typiclust import typiclust
from tests.pools import distances, normal, pool_of, rotation, unit

RNG = np.random.default_rng


def blobs(*sizes: int, width: int = 6) -> np.ndarray:
    """Return groups of images that lie in other directions each."""
    return np.concatenate(
        [normal(size, width, seed=k) * 0.1 + 5 * np.eye(width)[k] for k, size in enumerate(sizes)]
    )


def most_typical(z: np.ndarray, members: list[int]) -> list[int]:
    """By its definition; several where rounding decides."""
    if len(members) == 1:
        return members
    neighbours = max(1, min(20, len(members) // 2))
    near = np.sort(distances(z[members], z[members]), axis=1)[:, 1 : neighbours + 1].mean(axis=1)
    return [members[k] for k in np.flatnonzero(near <= near.min() + 2e-5)]


@pytest.mark.proof("typiclust", by="typicality by hand")
def test_of_each_blob_the_image_nearest_to_its_neighbours_the_largest_first() -> None:
    rows = blobs(12, 40, 25, 60)
    z, starts = unit(rows), np.cumsum([0, 12, 40, 25, 60])
    members = [list(range(first, last)) for first, last in pairwise(starts)]
    selection = typiclust(pool_of(rows), 4, RNG(0))
    for image, k in zip((selection.ids - 100).tolist(), (3, 1, 2, 0), strict=True):
        assert image in most_typical(z, members[k])
    assert (np.diff(1 / selection.scores) != 0).all()


def clusters_of(rows: np.ndarray, labelled: int, number: int, seed: int) -> np.ndarray:
    """Return the clusters that the strategy sees."""
    pool = pool_of(rows, labelled)
    assert pool.features is not None
    assert pool.labelled is not None
    joined = pool.features.normalised().joined(pool.labelled.normalised())
    return k_means(joined, labelled + number, RNG(seed))[0]


@pytest.mark.proof("typiclust", by="the turns of the clusters by hand")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("number", [6, 40, 140])
def test_clusters_with_a_label_come_later_and_small_ones_last(seed: int, number: int) -> None:
    rows = normal(160, 3, seed=seed)
    z, images = unit(rows), 152
    cluster = clusters_of(rows, 8, number, seed)
    sizes, known = np.bincount(cluster, minlength=8 + number), set(cluster[images:].tolist())
    left = {k: [i for i in range(images) if cluster[i] == k] for k in range(8 + number)}
    turns: list[int] = []
    for pick in (typiclust(pool_of(rows, 8), number, RNG(seed)).ids - 100).tolist():
        turns = [k for k in turns if left[k]]
        if not turns:
            there = [k for k in left if left[k]]
            turns = [k for k in there if sizes[k] > 5] or there
        own = int(cluster[pick])
        assert (own in known, -sizes[own]) == min((k in known, -sizes[k]) for k in turns)
        assert pick in most_typical(z, left[own])
        left[own].remove(pick)
        turns.remove(own)


def test_a_whole_pool_is_taken_cluster_by_cluster() -> None:
    rows = blobs(7, 9)
    assert sorted(typiclust(pool_of(rows), 16, RNG(0)).ids - 100) == list(range(16))


@pytest.mark.proof("typiclust", by="the same after rotation and scaling of h")
def test_scaled_features_give_the_same_and_rotated_ones_other_roundings_alone() -> None:
    rows = blobs(30, 40, 25)
    chosen, other = (typiclust(pool_of(each), 3, RNG(0)) for each in (rows, 8 * rows @ rotation(6)))
    assert chosen.ids.tolist() == other.ids.tolist()


def test_of_a_huge_cluster_some_are_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CANDIDATES", 10)
    pool = pool_of(blobs(200, 300))
    batches = [typiclust(pool, 2, RNG(seed)).ids - 100 for seed in range(20)]
    assert all((batch[0] >= 200, batch[1] < 200) == (True, True) for batch in batches)
    assert len({int(batch[0]) for batch in batches}) > 5


@pytest.mark.proof("typiclust", by="picks of scikit-activeml on z with twenty neighbours instead of five")
def test_scikit_activeml_picks_in_the_same_clusters_with_fewer_neighbours() -> None:
    theirs = pytest.importorskip("skactiveml.pool", reason="scikit-activeml comes with the group bench")
    rows = blobs(60, 90, 40)
    blob = np.repeat([0, 1, 2], [60, 90, 40])
    ours = typiclust(pool_of(rows), 3, RNG(0)).ids - 100
    twenty, five = (
        theirs.TypiClust(k=k, random_state=0).query(unit(rows), np.full(190, np.nan), batch_size=3) for k in (20, 5)
    )
    assert blob[ours].tolist() == [1, 0, 2]
    assert set(twenty.tolist()) == set(ours.tolist())
    assert set(five.tolist()) != set(ours.tolist())
