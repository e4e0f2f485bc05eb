"""Backbones with random weights, as coilal builds them and as bare torch runs them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hydra import compose, initialize_config_dir
from torch import Tensor, nn

from coilal.common.cli import conf_folder
from coilal.common.instantiate import instantiate
from coilal.features.backbone import Backbone
from coilal.features.build import build_backbone
from coilal.runs.settings import Settings

SIZE = (476, 364)


def coilal_backbone(model: str, trainable: str | int, size: tuple[int, int] = SIZE) -> Backbone:
    """Return a backbone of ``conf/model`` with random weights, in eval mode."""
    with initialize_config_dir(config_dir=conf_folder()):
        cfg = compose("train", overrides=[f"model={model}", "model.weights=none", f"model.trainable={trainable}"])
    settings = Settings.of(cfg).model
    normalisation = settings.mean, settings.std
    return build_backbone(instantiate(settings.trunk), None, size, settings.pooling, trainable, normalisation, 0, 1)


@dataclass
class Bare:
    """A network as one runs it without coilal: uint8 images in, pooled features out.

    Attributes:
        net: the network of timm or transformers, in torch's default layout at first.
        transformer: whether it gives tokens (B, L, D), not a map (B, D, H, W).
        dtype: type of its weights.
        order: memory format of the images.
    """

    net: nn.Module
    transformer: bool
    dtype: torch.dtype = torch.float32
    order: torch.memory_format = torch.contiguous_format

    @classmethod
    def of(cls, backbone: Backbone) -> Bare:
        """Return the network of a backbone, which is changed by what is done with it."""
        return cls(backbone.net.to(memory_format=torch.contiguous_format), backbone.trunk.layout == "NLC")

    def cast(self, dtype: torch.dtype) -> None:
        """Let the weights be of this type."""
        self.net, self.dtype = self.net.to(dtype), dtype

    def lay_out(self, order: torch.memory_format) -> None:
        """Let weights and images lie in this order."""
        self.net, self.order = self.net.to(memory_format=order), order

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return pooled features (B, 2 D) of uint8 images (B, 1, H, W)."""
        images = ((pixels.float() / 255 - 0.45) / 0.23).to(self.dtype).expand(-1, 3, -1, -1)
        images = images.contiguous(memory_format=self.order)
        if self.transformer:
            tokens = self.net(images).last_hidden_state
            return torch.cat([tokens[:, 0], tokens[:, 1:].mean(1)], 1)
        maps = self.net.forward_features(images)  # type: ignore[operator]
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1)
