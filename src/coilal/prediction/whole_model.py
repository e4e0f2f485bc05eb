"""A run's model as one module: images as coilal stores them in, probabilities out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from coilal.common.types import Kind
from coilal.features.backbone import Backbone
from coilal.fit.standardise import Statistics
from coilal.prediction.network import Network


class WholeModel(nn.Module):
    """Normalisation, backbone, standardised features, head and softmax or sigmoid.

    Args:
        backbone: with ``trainable=all``, so that images go in.
        statistics: what standardises its features.
        head: from features (B, D) to logits (B, C).
        kind: multiclass (softmax) or multilabel (sigmoid).
    """

    feature_mean: Tensor
    feature_std: Tensor

    def __init__(self, backbone: Backbone, statistics: Statistics, head: nn.Module, kind: Kind) -> None:
        super().__init__()
        self.backbone, self.head, self.kind = backbone, head, kind
        self.register_buffer("feature_mean", statistics.mean)
        self.register_buffer("feature_std", statistics.deviation)

    @classmethod
    def of(cls, network: Network) -> WholeModel:
        """Return the model of a run on the CPU, in float32 and eval mode."""
        part, model, image = network.backbone.cpu(), network.settings.model, network.settings.data.image
        mean, std = (tuple(values.flatten().tolist()) for values in (part.mean, part.std))
        backbone = Backbone(part.trunk, model.pooling, "all", image.size, mean, std, image.channels)
        head = network.shape.build()
        head.load_state_dict(network.run.part("head"))
        tensors = network.run.tensors
        statistics = Statistics(tensors["feature_mean"], tensors["feature_std"])
        return cls(backbone, statistics, head, network.run.kind).eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Return probabilities, float32 (B, C), of images, uint8 (B, channels, H, W)."""
        features = (self.backbone.suffix(images) - self.feature_mean) / self.feature_std
        logits: Tensor = self.head(features)
        return logits.softmax(1) if self.kind == "multiclass" else logits.sigmoid()

    def example(self, network: Network, images: int) -> Tensor:
        """Return images of noise, uint8 (images, channels, H, W), the same at each call."""
        image = network.settings.data.image
        shape: Any = (images, image.channels, *image.size)
        return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
