"""An architecture taken apart: what a backbone needs to know of a timm or transformers network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

Layout = Literal["NCHW", "NHWC", "NLC"]


@dataclass(frozen=True)
class Trunk:
    """A feature extractor without its classifier.

    Attributes:
        net: the network; holds all parameters.
        features: normalised images (B, 3, H, W) to the final feature map or tokens.
        blocks: the stages or transformer blocks in order; () where the network cannot be cut.
        tail: the modules between the last block and the feature map, in order.
        layout: NCHW or NHWC feature maps, or NLC tokens.
        prefix_tokens: leading tokens that are no image patches (class token, registers).
        patch: image height and width must be multiples of this (1: anything goes).
        mean: per-channel mean of the images that the weights were trained on, for values in [0, 1].
        std: per-channel standard deviation of the same.
        reread: whether earlier versions computed other features with these weights: they could not read the file
            and used random ones, or computed in the file's half precision.
        told: how the weights file fits, in words; "" without one.
    """

    net: nn.Module
    features: Callable[[Tensor], Tensor]
    blocks: Sequence[nn.Module]
    tail: Sequence[nn.Module]
    layout: Layout
    prefix_tokens: int
    patch: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    reread: bool = False
    told: str = ""
