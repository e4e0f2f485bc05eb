"""The Lightning module: the trained part of the backbone, and the heads of runs that are trained side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from typing import Any, Protocol, cast

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coilal.features.backbone import Backbone, PooledFeatures
from coilal.fit.batches import Batch
from coilal.fit.heads import Heads, HeadShape, Optimizer
from coilal.fit.standardise import Statistics


class Criterion(Protocol):
    """What the module needs of a task."""

    def loss(self, logits: Tensor, values: Tensor, weights: Tensor | None) -> Tensor:
        """Return the loss of each run (S,)."""
        ...

    def class_weights(self, values: NDArray[np.int64], number: int) -> Tensor | None:
        """Return the weight of each class, from labelled values only."""
        ...


class CoilModule(pl.LightningModule):
    """A trainable suffix and heads over the outputs of a frozen prefix.

    The heads see standardised features, so that one learning rate serves all backbones; see ``standardise``.
    Several stand side by side where nothing of the backbone is trained.

    Args:
        backbone: the cut network; where the head alone is trained, its features are enough.
        shape: of the heads.
        criterion: the task's loss.
        compiled: whether the trained part of the backbone goes through ``torch.compile``.
    """

    feature_mean: Tensor
    feature_std: Tensor

    def __init__(
        self, backbone: Backbone | PooledFeatures, shape: HeadShape, criterion: Criterion, compiled: bool = False
    ) -> None:
        super().__init__()
        # The frozen prefix is no part of the module: it is neither trained, saved nor restored.
        self.suffix = backbone.suffix
        if compiled and backbone.trainable != "head":
            self.suffix = torch.compile(backbone.suffix)
        self.freeze_statistics = backbone.freeze_statistics
        self.trained = backbone.trained
        self.shape = shape
        self.heads = nn.ModuleList()  # heads of equal learning rates are one module
        self.optimizers_of: list[Optimizer] = []
        self.criterion = criterion
        self.register_buffer("feature_mean", torch.zeros(shape.features))
        self.register_buffer("feature_std", torch.ones(shape.features))
        self.given_standardised = False
        self.weights: Tensor | None = None

    def hold(self, initial: Sequence[Mapping[str, Tensor]], optimizers: Sequence[Optimizer]) -> None:
        """Take the heads of the runs that are trained next; those of equal learning rates stand together.

        Args:
            initial: their initial weights, see ``HeadShape.initial``.
            optimizers: their learning rates.
        """
        together = [(rates, len(list(same))) for rates, same in groupby(optimizers)]
        parts = self._parts
        kept = [len(heads) for heads in parts] == [number for _, number in together]
        first, new = 0, nn.ModuleList()
        for place, (_, number) in enumerate(together):
            weights = initial[first : first + number]
            if kept:  # the same parameters: callbacks may hold them
                parts[place].load(weights)
            else:
                new.append(Heads(self.shape, weights).to(self.device))
            first += number
        self.heads = self.heads if kept else new
        self.optimizers_of = [rates for rates, _ in together]

    def forward(self, boundary: Tensor, kept: Sequence[Tensor] = (), heads: Sequence[int] | None = None) -> Tensor:
        """Return logits (S, B, C).

        Args:
            boundary: what the backbone's prefix returned, or features standardised before: (S, B, …), or (1, B, …)
                that all heads look at.
            kept: what the inputs of the heads' layers are multiplied with; see ``Batch``.
            heads: numbers of those that are asked; None: all.
        """
        features = self._features(boundary)
        with self._in_float32():
            return self._logits(self._standardised(features), kept, heads)

    def logits(self, boundary: Tensor, heads: Sequence[int]) -> Tensor:
        """Return the logits (s, B, C) that some heads, by number, give for the same rows (B, …)."""
        found: Tensor = self(boundary.unsqueeze(0), heads=heads)
        return found

    def last_inputs(self, boundary: Tensor, head: int) -> Tensor:
        """Return what enters the last layer of one head, (1, B, H), for rows (B, …)."""
        features = self._features(boundary.unsqueeze(0))
        with self._in_float32():
            part, place = self._place(head)
            return part.last_inputs(self._standardised(features), [place])

    def last_layer(self, head: int) -> tuple[Tensor, Tensor]:
        """Return weight (C, H) and bias (C,) of the last layer of one head."""
        part, place = self._place(head)
        *_, weight, bias = part.weights_of(place).values()
        return weight, bias

    def _standardised(self, features: Tensor) -> Tensor:
        features = features.float()
        return features if self.given_standardised else (features - self.feature_mean) / self.feature_std

    def _features(self, boundary: Tensor) -> Tensor:
        """Return the pooled features (S, B, D)."""
        if boundary.ndim == 3 and not len(self.trained):
            return boundary
        rows = boundary.flatten(0, 1)
        if rows.ndim == 4:  # feature maps or images; convolutions are faster so, on a GPU and on a CPU
            rows = rows.contiguous(memory_format=torch.channels_last)
        features: Tensor = self.suffix(rows)
        return features.view(*boundary.shape[:2], -1)

    @property
    def _parts(self) -> list[Heads]:
        return cast("list[Heads]", list(self.heads))

    def _logits(self, features: Tensor, kept: Sequence[Tensor], heads: Sequence[int] | None) -> Tensor:
        parts = self._parts
        if len(parts) == 1:
            logits: Tensor = parts[0](features, kept, heads)
            return logits
        found, first = [], 0
        for part in parts:
            own = range(first, first + len(part))
            asked = [head - first for head in heads if head in own] if heads is not None else None
            here = slice(first, first + len(part)) if len(features) > 1 else slice(None)
            if asked is None or asked:
                found.append(part(features[here], [layer[here] for layer in kept], asked))
            first += len(part)
        return torch.cat(found)

    def weights_of(self, head: int) -> dict[str, Tensor]:
        """Return the weights of a model with one of the heads: ``head.…``, and all that is not the heads'."""
        part, place = self._place(head)
        return {
            **self.shared_state(),
            **{f"head.{name}": tensor for name, tensor in part.weights_of(place).items()},
        }

    def _place(self, head: int) -> tuple[Heads, int]:
        """Return the module of a head, and its number there."""
        for part in self._parts:
            if head < len(part):
                return part, head
            head -= len(part)
        raise IndexError("there is no such head")

    def shared_state(self) -> dict[str, Tensor]:
        """Return all weights and buffers but those of the heads."""
        return {name: tensor for name, tensor in self.state_dict().items() if not name.startswith("heads.")}

    def standardise(self, statistics: Statistics, given_standardised: bool = False) -> None:
        """Set the statistics of the heads' inputs.

        Args:
            statistics: kept with the weights, since whoever uses the model needs them.
            given_standardised: whether what this module is given is standardised with them already.
        """
        self.feature_mean.copy_(statistics.mean)
        self.feature_std.copy_(statistics.deviation)
        self.given_standardised = given_standardised

    @property
    def statistics(self) -> Statistics:
        """What standardises the heads' inputs."""
        return Statistics(self.feature_mean, self.feature_std)

    def weigh_classes(self, values: Sequence[NDArray[np.int64]]) -> None:
        """Set the loss weights from the labelled values of each run (before each fit)."""
        weights = [self.criterion.class_weights(own, self.shape.outputs) for own in values]
        self.weights = None if weights[0] is None else torch.stack([own for own in weights if own is not None])

    def on_train_start(self) -> None:
        """Keep BatchNorm frozen; move the loss weights to the device."""
        self.freeze_statistics()
        if self.weights is not None:
            self.weights = self.weights.to(self.device)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Return the loss of one batch of each run, added up: no head's gradient depends on another's loss."""
        boundary, values, kept = batch
        logits = self(boundary, kept)
        with self._in_float32():
            return self.criterion.loss(logits, values, self.weights).sum()

    def _in_float32(self) -> AbstractContextManager[Any]:
        """Return the context of heads and loss: in half precision thousands of images have the same logits."""
        kind = self.device.type
        return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer that Lightning steps."""
        # One kernel for all tensors. Lightning cannot clip gradients for it under mixed precision.
        return self.optimizer(fused=not self.trainer.gradient_clip_val)

    def optimizer(self, fused: bool) -> torch.optim.Optimizer:
        """Return AdamW with a parameter group for the heads of each learning rate, and one for the backbone.

        Args:
            fused: whether a step is one kernel for all tensors.
        """
        groups = [
            {"params": list(heads.parameters()), "lr": rates.lr_head, "weight_decay": rates.weight_decay}
            for heads, rates in zip(self._parts, self.optimizers_of, strict=True)
        ]
        trained = list(self.trained.parameters())
        if trained:
            (rates,) = self.optimizers_of
            groups.append({"params": trained, "lr": rates.lr_backbone, "weight_decay": rates.weight_decay})
        on_gpu = self.device.type == "cuda"  # where a step of heads is replayed; see ``fit.replay``
        return torch.optim.AdamW(groups, fused=fused, capturable=on_gpu)
