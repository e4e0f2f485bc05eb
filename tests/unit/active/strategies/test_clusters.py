from __future__ import annotations

import warnings

import numpy as np
import pytest

from coilal.active.features import Features
from coilal.active.strategies import clusters
from coilal.active.strategies.clusters import k_means, nearest_centre
from tests.pools import distances, normal

RNG = np.random.default_rng
ROWS = normal(400, 5) + 20 * np.eye(5, dtype=np.float32)[np.arange(400) % 4]
FEATURES = Features(ROWS, np.arange(400))


@pytest.mark.parametrize("in_batches", [False, True])
def test_far_apart_groups_are_found(in_batches: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if in_batches:
        monkeypatch.setattr(clusters, "IN_MEMORY", 100)
        monkeypatch.setattr(clusters, "BATCH", 64)
    cluster, centres = k_means(FEATURES, 4, RNG(0))
    for group in range(4):
        assert len(set(cluster[group::4].tolist())) == 1
    assert len(set(cluster.tolist())) == 4
    assert cluster.tolist() == distances(ROWS, centres).argmin(axis=1).tolist()


def test_the_nearest_centre() -> None:
    centres = normal(30, 5, seed=3) * 10
    assert nearest_centre(FEATURES, centres).tolist() == distances(ROWS, centres).argmin(axis=1).tolist()


def test_fewer_different_images_than_clusters_warn_nobody() -> None:
    rows = np.repeat(normal(3, 4), 10, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cluster, _ = k_means(Features(rows, np.arange(30)), 8, RNG(0))
    assert len(set(cluster.tolist())) <= 8
