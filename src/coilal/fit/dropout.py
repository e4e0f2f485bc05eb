"""Dropout of heads that stand side by side (Srivastava et al. 2014): each draws from random numbers of its own.

What is kept is not scaled here: ``Heads`` scales the product, which costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

AHEAD = 16
"""Steps that a GPU draws at once: a kernel a run and layer, instead of one in each step."""

_LEVELS = 2**16
"""Equally likely values that one draw can take: the share that is left out is rounded to that."""


class Dropout(Protocol):
    """Draws which inputs of the heads' layers a training step leaves out."""

    def draw(self, images: int) -> tuple[Tensor, ...]:
        """Return 1 for each input that is kept and 0 for each that is not, (S, images, width) a layer.

        Args:
            images: of the batch; no batch may have more than the first one.
        """
        ...


def dropout(share: float, widths: Sequence[int], seeds: Sequence[int], device: torch.device) -> Dropout:
    """Return what draws for S runs; what a run gets depends on its own seed, and on the kind of device.

    Args:
        share: of the inputs that are left out, from 0 to below 1.
        widths: of the inputs of each layer.
        seeds: of each run.
        device: where the draws are wanted.
    """
    kind = HostDropout if device.type == "cpu" else DeviceDropout
    return kind(share, widths, seeds, device)


def kept_share(share: float) -> float:
    """Return the share of the inputs that is kept, as exactly as it is drawn."""
    return round((1 - share) * _LEVELS) / _LEVELS


class HostDropout:
    """Draws bits by numpy, on a CPU: torch draws Bernoulli numbers twenty times slower there."""

    def __init__(self, share: float, widths: Sequence[int], seeds: Sequence[int], _: torch.device) -> None:
        self._below = round(kept_share(share) * _LEVELS) - _LEVELS // 2
        self._widths, self._bits = tuple(widths), [np.random.SFC64(seed) for seed in seeds]

    def draw(self, images: int) -> tuple[Tensor, ...]:
        """Return the draws of a step, float32."""
        return tuple(self._layer(images, width) for width in self._widths)

    def _layer(self, images: int, width: int) -> Tensor:
        count = images * width
        words = np.stack([bits.random_raw(-(-count // 4)) for bits in self._bits])  # four draws a word
        drawn = words.view(np.int16)[:, :count].reshape(len(words), images, width)
        # By numpy: torch compares and converts by single elements.
        return torch.from_numpy((drawn < self._below).astype(np.float32))


class DeviceDropout:
    """Draws on the device, for some steps at a time."""

    def __init__(self, share: float, widths: Sequence[int], seeds: Sequence[int], device: torch.device) -> None:
        self._kept, self._widths, self._device = kept_share(share), tuple(widths), device
        self._generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self._most = 0  # images of a batch
        self._drawn: list[tuple[Tensor, ...]] = []  # of the steps that come, the next one last

    def draw(self, images: int) -> tuple[Tensor, ...]:
        """Return the draws of a step, uint8."""
        self._most = self._most or images
        if not self._drawn:
            self._drawn = list(zip(*map(self._layer, self._widths), strict=True))
        return tuple(layer[:, :images] for layer in self._drawn.pop())

    def _layer(self, width: int) -> Tensor:
        """Return the draws of the steps that come, (AHEAD, S, images, width)."""
        shape = len(self._generators), AHEAD, self._most, width
        layer = torch.empty(shape, dtype=torch.uint8, device=self._device)
        for run, generator in enumerate(self._generators):
            layer[run].bernoulli_(self._kept, generator=generator)
        return layer.transpose(0, 1)
