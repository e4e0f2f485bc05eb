"""Standardising the head's inputs: once for all runs of a process where they lie in memory, else in each batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from coilal.active.features import Features
from coilal.common.types import ImageArray, IntArray, are_features_in_memory
from coilal.fit.rows import Rows

RELATIVE_FLOOR = 1e-5
"""Least deviation of a feature that is taken for signal, as a share of its mean: some hundred float32 roundings."""

_ROWS = 4096  # changed at once


@dataclass(frozen=True)
class Statistics:
    """Mean and deviation of pooled features, taken from unlabelled images under the initial weights.

    Attributes:
        mean: float32 (D,).
        deviation: float32 (D,), above 0.
    """

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Self:
        """Return the statistics of features (n, D)."""
        mean, deviation = features.mean(0), features.std(0, correction=0)
        # A constant feature deviates by float32's rounding, which grows with its value: that is no signal.
        floor = (RELATIVE_FLOOR * mean.abs()).clamp_min(1e-6)
        return cls(mean, torch.maximum(deviation, floor))

    def features(self, rows: ImageArray, places: IntArray) -> Features:
        """Return some rows of features that are not standardised yet, (n, D), standardised where they are read."""
        return Features(rows, places, self.mean.cpu().numpy(), self.deviation.cpu().numpy())


@dataclass(frozen=True)
class Inputs:
    """What training and scoring read.

    Attributes:
        rows: outputs of the frozen prefix, row i for id i.
        statistics: those of the features that the head sees.
        standardised: whether the rows are features that are standardised already.
    """

    rows: Rows
    statistics: Statistics
    standardised: bool

    def features(self, ids: IntArray) -> Features:
        """Return the standardised features (n, D) of some images, of rows that are features."""
        boundary = self.rows.boundary
        return Features(boundary, ids) if self.standardised else self.statistics.features(boundary, ids)


def standardised(boundary: ImageArray, statistics: Statistics, device: torch.device, memory: int = 0) -> Inputs:
    """Standardise features that are held in memory, in place; leave all others to the module.

    Args:
        boundary: features (N, D) or activations (N, …); features in memory are changed.
        statistics: of the features.
        device: where is trained.
        memory: bytes that features may take on a GPU.
    """
    if not are_features_in_memory(boundary):
        return Inputs(Rows(boundary, device, memory), statistics, standardised=False)
    for first in range(0, len(boundary), _ROWS):
        rows = torch.from_numpy(boundary[first : first + _ROWS])
        rows.sub_(statistics.mean).div_(statistics.deviation)
    return Inputs(Rows(boundary, device, memory), statistics, standardised=True)
