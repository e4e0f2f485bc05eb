"""An upper bound, and no strategy: the best of some batches, judged by what they really teach."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coilal.active.outputs import PoolOutputs, QueryFunction, Selection, declared
from coilal.active.strategies.picking import pick_highest


def best_of(
    outputs: PoolOutputs,
    batch_size: int,
    generator: np.random.Generator,
    among: Sequence[QueryFunction],
    subsets: int,
) -> Selection:
    """Return, of candidate batches, the one after whose labels the validation metric is best.

    Formula: validation metric of the head that is trained on the labelled images and the batch; the candidates are
    the choice of each strategy among the whole pool, and among so many random halves of it. Direction: highest.
    Source: Huseljic et al. 2026, BoSS: A Best-of-Strategies Selector as an Oracle for Deep Active Learning. It
    needs the labels of images before they are asked for: what a study's simulated oracle has, and nobody else. The
    best of many is in part luck: on other images than the validation split a strategy may do better.

    Args:
        outputs: with ``tried``.
        batch_size: 1 … n.
        generator: random numbers.
        among: functions of the strategies that propose batches.
        subsets: random halves of the pool that each of them chooses from, besides the whole.
    """
    tried = declared(outputs.tried, "trials")
    pools = [outputs, *(half for _ in range(subsets) if (half := _half(outputs, batch_size, generator)))]
    candidates = [query(pool, batch_size, generator).ids for query in among for pool in pools]
    values = np.nan_to_num(np.array(tried(candidates)), nan=-1.0)  # undefined is worse than anything
    best = pick_highest(values, generator)
    return Selection(candidates[best], np.full(batch_size, values[best]))


def _half(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> PoolOutputs | None:
    """Return a random half of the pool; None where it is no larger than a batch."""
    number = len(outputs) // 2
    if number <= batch_size:
        return None
    left_out = np.ones(len(outputs), dtype=np.bool_)
    left_out[generator.choice(len(outputs), number, replace=False)] = False
    return outputs.without(left_out)
