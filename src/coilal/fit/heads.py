"""The heads of several runs side by side: stacked weights, and one batched product a layer for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from coilal.fit.dropout import kept_share

ALIGNED = 16
"""Rows begin at multiples of so many float32, 64 bytes: products of other places are rounded otherwise."""

ALIGNED_HIDDEN = 64
"""Width of hidden layers, a multiple: GELU rounds the last numbers that fill no two registers of a processor
otherwise, and of what is computed together the last ones must not be those of one head."""

LEAST_ROWS = 16
"""Rows of a product, made up of zeros where there are fewer: a product with one is rounded otherwise than others,
and on some processors (AMD's with AVX-512) so is one with fewer than twelve."""


@dataclass(frozen=True, order=True)
class Optimizer:
    """AdamW (Loshchilov & Hutter 2019) with one learning rate for the head and one for the backbone."""

    lr_head: float
    lr_backbone: float
    weight_decay: float


@dataclass(frozen=True)
class HeadShape:
    """What heads that are trained side by side have in common.

    Attributes:
        features: width D of the input.
        outputs: number of logits C.
        hidden: widths of the hidden layers; () for a linear head.
        dropout: share of the inputs of each layer that a training step leaves out; of a linear head's input, too.
    """

    features: int
    outputs: int
    hidden: tuple[int, ...] = ()
    dropout: float = 0.0

    @property
    def widths(self) -> tuple[int, ...]:
        """Width of each layer's input as it is computed: zeros are added up to an aligned one."""
        return (_aligned(self.features), *(_aligned(width, ALIGNED_HIDDEN) for width in self.hidden))

    def memory(self, batch: int) -> int:
        """Return the bytes that the training of one head takes, with batches of so many images."""
        following = (*self.widths[1:], _aligned(self.outputs))
        weights = sum((width + 1) * outputs for width, outputs in zip(self.widths, following, strict=True))
        inputs = sum(self.widths) * batch
        return 4 * (4 * weights + 4 * inputs)  # gradient and two moments; what is kept, the product, its gradient

    def build(self) -> nn.Sequential:
        """Return one head with new weights: a linear classifier, or a perceptron with GELU and dropout."""
        widths = [self.features, *self.hidden]
        layers: list[nn.Module] = []
        for width, following in zip(widths, self.hidden, strict=False):
            layers += [nn.Dropout(self.dropout), nn.Linear(width, following), nn.GELU()]
        if self.dropout:
            layers.append(nn.Dropout(self.dropout))
        layers.append(nn.Linear(widths[-1], self.outputs))
        return nn.Sequential(*layers)

    def initial(self, seed: int) -> dict[str, Tensor]:
        """Return the weights that a seed gives, named as those of ``build``."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.build().state_dict()


class Heads(nn.Module):
    """S heads of one shape, each with weights of its own.

    What a head computes does not depend on those beside it. A batched product treats each matrix by itself, in
    the same way for the same sizes, if all of them begin at aligned places; hence the zeros at the end of each row,
    which training leaves zero.

    Args:
        shape: of each head.
        initial: the weights of each of the S heads, as ``HeadShape.initial`` names them.
    """

    def __init__(self, shape: HeadShape, initial: Sequence[Mapping[str, Tensor]]) -> None:
        super().__init__()
        self.shape = shape
        self._names = [name.removesuffix(".weight") for name in initial[0] if name.endswith(".weight")]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for weight, bias in self._stacked(initial):
            self.weights.append(weight)
            self.biases.append(bias)

    def __len__(self) -> int:
        return len(self.weights[0])

    def load(self, initial: Sequence[Mapping[str, Tensor]]) -> None:
        """Take other weights, of as many heads."""
        with torch.no_grad():
            for (weight, bias), old, older in zip(self._stacked(initial), self.weights, self.biases, strict=True):
                old.copy_(weight)
                older.copy_(bias)

    def forward(self, features: Tensor, kept: Sequence[Tensor] = (), heads: Sequence[int] | None = None) -> Tensor:
        """Return the logits (S, B, C).

        Args:
            features: (S, B, D), or (1, B, D) that all heads look at.
            kept: what the inputs of each layer are multiplied with, (S, B, width) a layer; () for all as they are.
            heads: numbers of those that are asked; None: all.
        """
        images = features.shape[1]
        values = self._before(len(self.weights) - 1, features, kept, heads)
        return self._layer(len(self.weights) - 1, values, kept, heads)[:, :images, : self.shape.outputs]

    def last_inputs(self, features: Tensor, heads: Sequence[int]) -> Tensor:
        """Return what enters the last layer of some heads, (s, B, H); of linear ones the features (1, B, D).

        Args:
            features: (1, B, D), or of each head.
            heads: their numbers.
        """
        inputs = self._before(len(self.weights) - 1, features, (), heads)
        return inputs[:, : features.shape[1], : (self.shape.features, *self.shape.hidden)[-1]]

    def _before(self, last: int, features: Tensor, kept: Sequence[Tensor], heads: Sequence[int] | None) -> Tensor:
        """Return the inputs of a layer (S, B, width), of at least ``LEAST_ROWS`` rows."""
        missing = max(0, LEAST_ROWS - features.shape[1])
        added = self.shape.widths[0] - self.shape.features
        values = functional.pad(features, (0, added, 0, missing)) if added or missing else features
        for layer in range(last):
            values = functional.gelu(self._layer(layer, values, kept, heads))
        return values

    def _layer(self, layer: int, values: Tensor, kept: Sequence[Tensor], heads: Sequence[int] | None) -> Tensor:
        """Return the outputs of a layer (S, B, width)."""
        weight, bias = self.weights[layer], self.biases[layer]
        if heads is not None:
            weight, bias = weight[heads], bias[heads]
        scale: float = 1
        if kept:
            share = functional.pad(kept[layer], (0, 0, 0, values.shape[1] - kept[layer].shape[1]))
            values, scale = values * share, 1 / kept_share(self.shape.dropout)
        if len(values) != len(weight):
            values = values.expand(len(weight), -1, -1)
        # The weights come first: the gradient of what comes second would be a slower product, and transposed.
        return torch.baddbmm(bias.unsqueeze(2), weight, values.mT, alpha=scale).mT

    def weights_of(self, head: int) -> dict[str, Tensor]:
        """Return the weights of one head, as ``HeadShape.initial`` names them."""
        inputs = (self.shape.features, *self.shape.hidden)
        outputs = (*self.shape.hidden, self.shape.outputs)
        found = {}
        for layer, name in enumerate(self._names):
            found[f"{name}.weight"] = self.weights[layer].detach()[head, : outputs[layer], : inputs[layer]]
            found[f"{name}.bias"] = self.biases[layer].detach()[head, : outputs[layer]]
        return found

    def _stacked(self, initial: Sequence[Mapping[str, Tensor]]) -> list[tuple[Tensor, Tensor]]:
        """Return weight (S, out, in) and bias (S, out) of each layer."""
        layers = []
        following = (*self.shape.widths[1:], _aligned(self.shape.outputs))
        for name, width, outputs in zip(self._names, self.shape.widths, following, strict=True):
            weight = torch.stack([weights[f"{name}.weight"] for weights in initial])
            bias = torch.stack([weights[f"{name}.bias"] for weights in initial])
            more = outputs - bias.shape[1]
            padded = functional.pad(weight, (0, width - weight.shape[2], 0, more))
            layers.append((padded, functional.pad(bias, (0, more))))
        return layers


def _aligned(width: int, to: int = ALIGNED) -> int:
    return -(-width // to) * to
