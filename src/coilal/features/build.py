"""From the settings of ``conf/model`` to a backbone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from coilal.features.backbone import Backbone, Pooling
from coilal.features.trunk import Trunk


def build_backbone(
    trunk: Callable[..., Trunk],
    weights: Path | None,
    image_size: tuple[int, int],
    pooling: Pooling,
    trainable: str | int,
    normalisation: tuple[Any, Any],
    seed: int,
    channels: int = 1,
) -> Backbone:
    """Build the network, with random weights drawn from ``seed`` where there is no weights file.

    Convolutions are laid out channels-last, in which they are faster; other weights stay as they are.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = Backbone(trunk(weights=weights), pooling, trainable, image_size, *normalisation, channels)
    return backbone.to(memory_format=torch.channels_last)
