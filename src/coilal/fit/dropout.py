"""Dropout of heads that stand side by side: each draws from random numbers of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_LEVELS = 2**16
"""Equally likely values that one draw can take: the share that is left out is rounded to that."""


class Dropout:
    """Draws which inputs of the heads' layers a training step leaves out (Srivastava et al. 2014).

    What is kept is not scaled here: ``Heads`` scales the product, which costs nothing.

    Args:
        share: of the inputs that are left out, from 0 to below 1.
        widths: of the inputs of each layer.
        seeds: of each of S runs; a run's draws depend on its own alone.
        device: where they are wanted. A GPU draws its own, other ones than a CPU.
    """

    def __init__(self, share: float, widths: Sequence[int], seeds: Sequence[int], device: torch.device) -> None:
        self.kept, self.widths, self.device = kept_share(share), tuple(widths), device
        # On a CPU torch draws Bernoulli numbers twenty times slower than numpy draws bits.
        self._bits = [np.random.SFC64(seed) for seed in seeds] if device.type == "cpu" else []
        self._generators = [] if self._bits else [torch.Generator(device).manual_seed(seed) for seed in seeds]

    def draw(self, images: int) -> tuple[Tensor, ...]:
        """Return 1 for each input that is kept and 0 for each that is not, float32 (S, images, width) a layer."""
        return tuple(self._layer(images, width) for width in self.widths)

    def _layer(self, images: int, width: int) -> Tensor:
        if not self._bits:
            layer = torch.empty(len(self._generators), images, width, device=self.device)
            for run, generator in enumerate(self._generators):
                layer[run].bernoulli_(self.kept, generator=generator)
            return layer
        count = images * width
        words = np.stack([bits.random_raw(-(-count // 4)) for bits in self._bits])  # four draws a word
        drawn = words.view(np.int16)[:, :count].reshape(len(words), images, width)
        # By numpy: torch compares and converts by single elements.
        return torch.from_numpy((drawn < round(self.kept * _LEVELS) - _LEVELS // 2).astype(np.float32))


def kept_share(share: float) -> float:
    """Return the share of the inputs that is kept, as exactly as it is drawn."""
    return round((1 - share) * _LEVELS) / _LEVELS
