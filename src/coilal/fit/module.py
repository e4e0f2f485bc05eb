"""CoilModule: the LightningModule around every backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coilal.features.backbone import Backbone, PooledFeatures
from coilal.fit.standardise import Statistics


@dataclass(frozen=True)
class Optimizer:
    """AdamW (Loshchilov & Hutter 2019) with one learning rate for the head and one for the backbone."""

    lr_head: float
    lr_backbone: float
    weight_decay: float


class Criterion(Protocol):
    """What the module needs of a task."""

    def loss(self, logits: Tensor, values: Tensor, weights: Tensor | None) -> Tensor:
        """Return the scalar loss."""
        ...

    def class_weights(self, values: NDArray[np.int64], number: int) -> Tensor | None:
        """Return the weight of each class, from labelled values only."""
        ...


class CoilModule(pl.LightningModule):
    """A trainable suffix and head over the outputs of a frozen prefix.

    The head sees standardised features, so that one learning rate serves all backbones; see ``standardise``.

    Args:
        backbone: the cut network; where the head alone is trained, its features are enough.
        outputs: number of logits C.
        criterion: the task's loss.
        optimizer: learning rates and weight decay.
        hidden: widths of the head's hidden layers; () for a linear head.
        dropout: dropout before each layer of a head with hidden layers.
        compiled: whether the trained part of the backbone goes through ``torch.compile``.
    """

    feature_mean: Tensor
    feature_std: Tensor

    def __init__(
        self,
        backbone: Backbone | PooledFeatures,
        outputs: int,
        criterion: Criterion,
        optimizer: Optimizer,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
        compiled: bool = False,
    ) -> None:
        super().__init__()
        # The frozen prefix is no part of the module: it is neither trained, saved nor restored.
        self.suffix = backbone.suffix
        if compiled and backbone.trainable != "head":
            self.suffix = torch.compile(backbone.suffix)
        self.freeze_statistics = backbone.freeze_statistics
        self.trained = backbone.trained
        self.head = head(backbone.features, outputs, hidden, dropout)
        self.outputs = outputs
        self.criterion = criterion
        self.optimizer = optimizer
        self.register_buffer("feature_mean", torch.zeros(backbone.features))
        self.register_buffer("feature_std", torch.ones(backbone.features))
        self.given_standardised = False
        self.weights: Tensor | None = None

    def forward(self, boundary: Tensor) -> Tensor:
        """Return the logits (B, C) of what the backbone's prefix returned, or of features standardised before."""
        if boundary.ndim == 4:  # feature maps or images; convolutions are faster so, on a GPU and on a CPU
            boundary = boundary.contiguous(memory_format=torch.channels_last)
        features = self.suffix(boundary)
        with self._in_float32():
            features = features.float()
            if not self.given_standardised:
                features = (features - self.feature_mean) / self.feature_std
            logits: Tensor = self.head(features)
        return logits

    def standardise(self, statistics: Statistics, given_standardised: bool = False) -> None:
        """Set the statistics of the head's inputs.

        Args:
            statistics: kept with the weights, since whoever uses the model needs them.
            given_standardised: whether what this module is given is standardised with them already.
        """
        self.feature_mean.copy_(statistics.mean)
        self.feature_std.copy_(statistics.deviation)
        self.given_standardised = given_standardised

    def weigh_classes(self, values: NDArray[np.int64]) -> None:
        """Set the loss weights from the labelled values (before each fit)."""
        self.weights = self.criterion.class_weights(values, self.outputs)

    def on_train_start(self) -> None:
        """Keep BatchNorm frozen; move the loss weights to the device."""
        self.freeze_statistics()
        if self.weights is not None:
            self.weights = self.weights.to(self.device)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Return the loss of one batch (boundary, values)."""
        boundary, values = batch
        logits = self(boundary)
        with self._in_float32():
            return self.criterion.loss(logits, values, self.weights)

    def _in_float32(self) -> torch.autocast:
        """Return the context of head and loss: in half precision thousands of images have the same logits."""
        return torch.autocast(self.device.type, enabled=False)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW with a parameter group each for head and backbone."""
        groups = [{"params": list(self.head.parameters()), "lr": self.optimizer.lr_head}]
        trained = list(self.trained.parameters())
        if trained:
            groups.append({"params": trained, "lr": self.optimizer.lr_backbone})
        # One kernel for all tensors. Lightning cannot clip gradients for it under mixed precision.
        fused = not self.trainer.gradient_clip_val
        return torch.optim.AdamW(groups, weight_decay=self.optimizer.weight_decay, fused=fused)


def head(features: int, outputs: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
    """Return a linear classifier, or a perceptron with ``hidden`` layers, GELU and dropout."""
    widths = [features, *hidden]
    layers: list[nn.Module] = []
    for width, following in zip(widths, hidden, strict=False):
        layers += [nn.Dropout(dropout), nn.Linear(width, following), nn.GELU()]
    if dropout:
        layers.append(nn.Dropout(dropout))
    layers.append(nn.Linear(widths[-1], outputs))
    return nn.Sequential(*layers)
