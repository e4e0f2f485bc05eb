"""TypiClust: typical images of clusters that have no label yet."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from coilal.active.features import Features
from coilal.active.outputs import PoolOutputs, Selection, declared
from coilal.active.strategies.clusters import k_means
from coilal.active.strategies.picking import ROUNDING, squared_distances_of_units
from coilal.common.types import FloatArray, IntArray

MOST_CLUSTERS, SMALL, NEIGHBOURS = 500, 5, 20
CANDIDATES = 1000
"""Images of a cluster whose typicality is computed: all of them in all but huge pools."""


def typiclust(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Choose the most typical image of each cluster, clusters without a label first, then the largest.

    Formula: k-means on z (features scaled to length 1) of all images into min(labelled + batch, 500) clusters;
    typicality 1 / (mean distance to the K nearest + 1e-5), K = min(20, half of the images of the cluster without
    label). Direction: highest, a cluster after the other, again from the first one where the batch is not full;
    clusters of five and fewer are passed over until the others are empty. Source: Hacohen, Dekel & Weinshall 2022,
    Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets, section 3. In clusters above 1,000
    images a random 1,000 are candidates; all of the cluster are neighbours.
    """
    pool, labelled = (
        declared(outputs.features, "features").normalised(),
        declared(outputs.labelled, "labelled features").normalised(),
    )
    joined = pool.joined(labelled)
    clusters = min(len(labelled) + batch_size, MOST_CLUSTERS, len(joined))
    cluster, _ = k_means(joined, clusters, generator)
    members = {number: np.flatnonzero(cluster[: len(pool)] == number) for number in range(clusters)}
    rows: list[int] = []
    scores: list[float] = []
    for turns in _order(cluster, len(pool), clusters, generator):
        left = deque(number for number in turns if len(members[number]))
        while left and len(rows) < batch_size:
            number = left.popleft()
            row, typicality = _most_typical(pool, members[number], generator)
            rows.append(row)
            scores.append(typicality)
            members[number] = members[number][members[number] != row]
            if len(members[number]):
                left.append(number)
    return Selection(outputs.ids[np.array(rows)], np.array(scores))


def _order(
    cluster: IntArray, pool: int, clusters: int, generator: np.random.Generator
) -> tuple[list[int], list[int]]:
    """Return the clusters in the order of their turns, and the small ones in theirs; equal ones in random order.

    Args:
        cluster: int64 (n + m,), of the images of the pool and of those with a label.
        pool: n.
        clusters: their number.
        generator: random numbers.
    """
    sizes = np.bincount(cluster, minlength=clusters)
    covered = np.bincount(cluster[pool:], minlength=clusters) > 0
    shuffled = generator.permutation(clusters)
    ranked = shuffled[np.lexsort((-sizes[shuffled], covered[shuffled]))].tolist()
    return [k for k in ranked if sizes[k] > SMALL], [k for k in ranked if sizes[k] <= SMALL]


def _most_typical(pool: Features, members: IntArray, generator: np.random.Generator) -> tuple[int, float]:
    """Return the image of a cluster that is nearest to its neighbours, and its typicality."""
    candidates = members
    if len(members) > CANDIDATES:
        candidates = np.sort(generator.choice(members, CANDIDATES, replace=False))
    neighbours = max(1, min(NEIGHBOURS, len(members) // 2))
    near = _mean_distances(pool.take(candidates), pool.subset(members), neighbours)
    nearest = np.flatnonzero(near <= near.min() + ROUNDING)
    chosen = int(generator.choice(nearest))
    return int(candidates[chosen]), float(1 / (near[chosen] + 1e-5))


def _mean_distances(rows: NDArray[np.float32], members: Features, neighbours: int) -> FloatArray:
    """Return the mean distance of rows to their nearest among the members, themselves left out, (n,)."""
    if len(members) == 1:
        return np.zeros(1)
    nearest = np.full((len(rows), 0), np.inf, dtype=np.float32)
    for _, block in members.blocks():
        squares = np.hstack([nearest, squared_distances_of_units(rows, block)])
        kept = min(neighbours + 1, squares.shape[1])
        nearest = np.partition(squares, kept - 1, axis=1)[:, :kept]
    # The smallest is the image itself, or one like it.
    others = np.sort(nearest, axis=1)[:, 1:]
    found: FloatArray = np.sqrt(others).mean(axis=1, dtype=np.float64)
    return found
