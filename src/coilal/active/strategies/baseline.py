"""Random sampling, the baseline that every strategy is compared with."""

from __future__ import annotations

import numpy as np

from coilal.active.outputs import PoolOutputs, Selection


def random(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Choose uniformly without replacement; computes no scores.

    Formula: none. Direction: none. Source: the usual baseline (Settles 2009, Active Learning Literature
    Survey).
    """
    ids = generator.choice(outputs.ids, batch_size, replace=False)
    return Selection(ids, np.full(batch_size, np.nan))
