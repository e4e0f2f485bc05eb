"""Draws the map of a study's pool from features, once for all runs with these features."""

from __future__ import annotations

import hashlib
import json
import logging

import numpy as np

from coilal.active.features import Features
from coilal.fit.standardise import Inputs
from coilal.run_directory.pool_map import PoolMap
from coilal.runs.experiment import Experiment
from coilal.runs.inputs import outputs_key

log = logging.getLogger(__name__)


def map_name(experiment: Experiment) -> str | None:
    """Return the name of the map's file, beside the study's data records; None where features change in a run."""
    if not experiment.settings.model.trains_the_head_alone:
        return None
    prepared = experiment.prepared
    text = json.dumps([outputs_key(experiment), prepared.images.fingerprint], sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode() + prepared.split.pool.tobytes())
    return f"map-{digest.hexdigest()[:16]}.npz"


def keep_map(experiment: Experiment, inputs: Inputs) -> None:
    """Write the map of the pool with the study, if it is not there; no run ends because it cannot be drawn."""
    name = map_name(experiment)
    if name is None or (path := experiment.settings.records / name).exists():
        return
    pool, names = experiment.prepared.split.pool, experiment.prepared.samples.names
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn_map([names[number] for number in pool.tolist()], inputs.features(pool)).write(path)
    except (OSError, np.linalg.LinAlgError) as error:
        log.warning("the report will have no map of the pool: %s", error)


def drawn_map(images: list[str], features: Features) -> PoolMap:
    """Return images along the two main directions of their features (Pearson 1901, principal components).

    Args:
        images: names (n).
        features: theirs.
    """
    mean, second = np.zeros(features.width), np.zeros((features.width, features.width))
    for _, block in features.blocks():
        mean += block.sum(axis=0, dtype=np.float64) / len(features)
        second += (block.T @ block).astype(np.float64) / len(features)
    variances, directions = np.linalg.eigh(second - np.outer(mean, mean))
    two = directions[:, ::-1][:, :2]  # the last ones are the largest
    two = two * np.sign(two[np.abs(two).argmax(axis=0), np.arange(two.shape[1])])  # either sign would do: one
    places = features.products(two.T.astype(np.float32)) - (mean @ two).astype(np.float32)
    if places.shape[1] == 1:  # features of width 1
        places = np.hstack([places, np.zeros_like(places)])
    total = float(variances.sum())
    return PoolMap(images, places, float(variances[-2:].sum()) / total if total > 0 else 1.0)
