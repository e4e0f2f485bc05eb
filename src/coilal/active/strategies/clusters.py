"""k-means on features, whatever their number."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coilal.active.features import Features
from coilal.common.types import IntArray

IN_MEMORY = 1 << 25
"""Numbers (images × width) up to which all images are clustered at once; above, in random batches."""

BATCH, BATCHES = 1 << 13, 60


def k_means(
    features: Features, clusters: int, generator: np.random.Generator
) -> tuple[IntArray, NDArray[np.float32]]:
    """Return the cluster of each image (n,), and the centres (k, D).

    Lloyd's algorithm from k-means++ (Arthur & Vassilvitskii 2007) where the features are few; else 60 random
    batches of 8,192 images (Sculley 2010, Web-scale k-means clustering). Where there are fewer different images
    than clusters, some clusters are empty.

    Args:
        features: of n images.
        clusters: k, at most n.
        generator: draws the seed.
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans  # half a second, for those who cluster alone
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    seed = int(generator.integers(2**31))
    # On one thread: several add up in the order in which they arrive, and the last digits change from call to call.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # of fewer different images than clusters, which callers expect
        warnings.simplefilter("ignore", ConvergenceWarning)
        if len(features) * features.width <= IN_MEMORY:
            fitted: Any = KMeans(clusters, n_init=1, random_state=seed).fit(_all(features))
            return fitted.labels_.astype(np.int64), fitted.cluster_centers_
        fitted = MiniBatchKMeans(clusters, n_init=1, batch_size=BATCH, random_state=seed)
        for _ in range(BATCHES):
            some = np.sort(
                generator.choice(len(features), min(max(BATCH, 4 * clusters), len(features)), replace=False)
            )
            fitted.partial_fit(features.take(some))
    centres = fitted.cluster_centers_.astype(np.float32)
    return nearest_centre(features, centres), centres


def nearest_centre(features: Features, centres: NDArray[np.float32]) -> IntArray:
    """Return the number of the centre that is nearest to each image, (n,)."""
    nearest = np.empty(len(features), dtype=np.int64)
    half_lengths = np.einsum("kd,kd->k", centres, centres) / 2
    for here, block in features.blocks():
        nearest[here] = np.argmax(block @ centres.T - half_lengths, axis=1)
    return nearest


def _all(features: Features) -> NDArray[np.float32]:
    return features.take(np.arange(len(features)))
