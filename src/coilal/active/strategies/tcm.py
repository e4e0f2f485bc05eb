"""TCM: typical images at first, uncertain ones from then on."""

from __future__ import annotations

import numpy as np

from coilal.active.outputs import PoolOutputs, Selection
from coilal.active.strategies.multiclass import margin
from coilal.active.strategies.typiclust import typiclust


def tcm(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator, typical: int) -> Selection:
    """Choose by TypiClust in the first cycles, and by margin in those after them.

    Formula: that of ``typiclust`` in so many query cycles, then that of ``margin``. Direction: theirs. Source:
    Doucet et al. 2024, Bridging Diversity and Uncertainty in Active Learning with Self-Supervised Pre-Training,
    section 3.

    Args:
        outputs: of the model.
        batch_size: 1 … n.
        generator: random numbers.
        typical: query cycles that TypiClust chooses.
    """
    return (typiclust if outputs.cycle <= typical else margin)(outputs, batch_size, generator)
