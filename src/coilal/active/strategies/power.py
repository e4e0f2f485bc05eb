"""Power sampling: a score with noise, so that a batch is not the same image many times."""

from __future__ import annotations

import numpy as np

from coilal.active.outputs import PoolOutputs, Selection
from coilal.active.strategies.bald import mutual_information
from coilal.active.strategies.multiclass import one_minus_margin
from coilal.active.strategies.ranking import score_rows, select_highest
from coilal.common.types import FloatArray


def power_margin(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Draw images without replacement, with probability ∝ how close their two likeliest classes are.

    Formula: log s + G with s = 1 − (p₁ − p₂) and G standard Gumbel noise (β = 1). Direction: highest. Source:
    Kirsch et al. 2023, Stochastic Batch Acquisition: A Simple Baseline for Deep Active Learning, section 4 (power).
    """
    return _with_noise(outputs, score_rows(outputs, one_minus_margin), batch_size, generator)


def power_bald(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
    """Draw images without replacement, with probability ∝ what their prediction tells about the weights.

    Formula: log s + G with s the mutual information of BALD and G standard Gumbel noise (β = 1). Direction:
    highest. Source: Kirsch et al. 2023, Stochastic Batch Acquisition: A Simple Baseline for Deep Active Learning,
    section 4 (power).
    """
    return _with_noise(outputs, mutual_information(outputs), batch_size, generator)


def _with_noise(
    outputs: PoolOutputs, scores: FloatArray, batch_size: int, generator: np.random.Generator
) -> Selection:
    noisy = np.log(np.maximum(scores, np.finfo(np.float64).tiny)) + generator.gumbel(size=len(scores))
    return select_highest(outputs.ids, noisy, batch_size, generator)
