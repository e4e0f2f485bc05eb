"""DropQuery: images whose prediction dropout changes, from all over the pool."""

from __future__ import annotations

import numpy as np

from coilal.active.outputs import Logits, PoolOutputs, Selection, declared
from coilal.active.strategies.clusters import k_means
from coilal.active.strategies.multiclass import margin
from coilal.active.strategies.multilabel import avg_confidence
from coilal.common.types import FloatArray, IntArray, Kind


def dropquery(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Choose, from clusters of the images whose prediction changes under dropout, those nearest to the centres.

    Formula: candidates are the images whose prediction (class, or set of labels) differs in more than half of the
    passes with dropout on h; k-means of their h into as many clusters as images are wanted; of each cluster the
    image nearest to its centre. Direction: nearest; too few candidates: the rest by margin (labels:
    avg_confidence), lowest first. Source: Gupte et al. 2024, Revisiting Active Learning in the Era of Vision
    Foundation Models, section 3 (three passes, dropout 0.75: the yaml). The score is the share of passes that
    differ. Asked for the rest of a batch (``strategy.per_group``), it clusters anew, whatever is taken already.
    """
    share = changed(outputs)
    candidates = np.flatnonzero(share > 0.5)
    if len(candidates) <= batch_size:
        rows = np.concatenate(
            [generator.permutation(candidates), _uncertain(outputs, candidates, batch_size, generator)]
        )
    else:
        rows = _central(outputs, candidates, batch_size, generator)
    rows = rows.astype(np.int64)
    return Selection(outputs.ids[rows], share[rows])


def changed(outputs: PoolOutputs) -> FloatArray:
    """Return in which share of the passes the prediction of each image differs, (n,)."""
    passes, expected = (
        declared(outputs.passes, "passes"),
        _predicted(declared(outputs.logits, "logits"), outputs.kind),
    )
    different = np.zeros(len(outputs))
    for logits in passes:
        different += np.not_equal(_predicted(logits, outputs.kind), expected).any(axis=1)
    return different / len(passes)


def _predicted(logits: Logits, kind: Kind) -> IntArray:
    """Return the predicted class (n, 1), or 0/1 for each label (n, L)."""
    if kind == "multiclass":
        return np.asarray(logits.argmax(axis=1, keepdims=True))
    return np.asarray(logits > 0, dtype=np.int64)


def _central(outputs: PoolOutputs, candidates: IntArray, number: int, generator: np.random.Generator) -> IntArray:
    """Return the candidate nearest to the centre of each cluster, and others at random for empty clusters."""
    features = declared(outputs.features, "features").subset(candidates)
    cluster, centres = k_means(features, number, generator)
    distances = np.empty(len(candidates))
    for here, block in features.blocks():
        distances[here] = np.square(block - centres[cluster[here]]).sum(axis=1)
    shuffled = generator.permutation(len(candidates))  # equally near: none is preferred
    ranked = shuffled[np.argsort(distances[shuffled], kind="stable")]
    _, first = np.unique(cluster[ranked], return_index=True)
    central = generator.permutation(ranked[first])
    others = generator.permutation(np.setdiff1d(np.arange(len(candidates)), central))
    chosen: IntArray = candidates[np.concatenate([central, others])[:number]]
    return chosen


def _uncertain(outputs: PoolOutputs, taken: IntArray, number: int, generator: np.random.Generator) -> IntArray:
    """Return the places of the least certain images that are not taken, as many as are missing."""
    missing = number - len(taken)
    if not missing:
        return np.empty(0, dtype=np.int64)
    rest = np.setdiff1d(np.arange(len(outputs)), taken)
    ranking = margin if outputs.kind == "multiclass" else avg_confidence
    return ranking(
        PoolOutputs(outputs.kind, rest, declared(outputs.logits, "logits")[rest]), missing, generator
    ).ids
