"""k-center: images that are far from all that is labelled."""

from __future__ import annotations

import numpy as np

from coilal.active.outputs import PoolOutputs, Selection, declared
from coilal.active.strategies.picking import (
    nearest_squared_distances,
    pick_highest,
    squared_distances,
)


def coreset(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Choose the image that is farthest from its nearest labelled or chosen one, again and again.

    Formula: min over labelled and chosen images j of ‖h_i − h_j‖. Direction: highest. Source: Sener & Savarese
    2018, Active Learning for Convolutional Neural Networks: A Core-Set Approach, algorithm 1 (k-center greedy).
    Where nothing is labelled, the first image is drawn uniformly and has no score. Images whose distance float32
    does not tell from 0 are as near as can be.
    """
    features = declared(outputs.features, "features")
    nearest = nearest_squared_distances(features, declared(outputs.labelled, "labelled features"))
    rows = np.empty(batch_size, dtype=np.int64)
    scores = np.empty(batch_size)
    for place in range(batch_size):
        row = pick_highest(nearest, generator)
        rows[place], scores[place] = row, np.sqrt(nearest[row])
        np.minimum(nearest, squared_distances(features, features.take(np.array([row]))[0]), out=nearest)
        nearest[rows[: place + 1]] = -np.inf
    scores[np.isinf(scores)] = np.nan
    return Selection(outputs.ids[rows], scores)
