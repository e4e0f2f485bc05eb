"""Backbone: a frozen prefix, whose outputs never change and are computed once, and a trainable suffix."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from coilal.models.trunk import Trunk
from coilal.types import UserError

Pooling = Literal["mean", "max", "mean_max", "cls", "cls_mean"]


class Backbone(nn.Module):
    """Images in, pooled features out, cut where training begins.

    ``trainable`` says which part is trained together with the head:

    - ``head``: nothing of the network; the prefix is everything up to the pooled features.
    - an integer k: the last k blocks; the prefix ends at the input of the k-th block from the end.
    - ``all``: everything; the prefix passes the uint8 images through.

    Shapes: images uint8 (B, C, H, W) with C 1 or 3 → ``prefix`` → boundary (B, …) → ``suffix`` →
    pooled features (B, D).

    Args:
        trunk: the network.
        pooling: ``mean``, ``max`` or both over the positions of the feature map; ``cls`` (class token)
            and ``cls_mean`` (class token and patch mean, as DINOv2's linear evaluation) for tokens.
        trainable: see above.
        image_size: height and width of the images.
        mean: overrides the normalisation that belongs to the weights, for values in [0, 1].
        std: the same.

    Raises:
        UserError: the network cannot be cut there, or the pooling or image size does not fit it.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        trunk: Trunk,
        pooling: Pooling,
        trainable: str | int,
        image_size: tuple[int, int],
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.net = trunk.net
        self.pooling = pooling
        self.trainable = trainable
        self.register_buffer("mean", torch.tensor(mean or trunk.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std or trunk.std).view(1, -1, 1, 1), persistent=False)
        self._check_size(image_size)
        self.trained = nn.ModuleList(self._trained_parts())
        self.net.requires_grad_(False)
        self.trained.requires_grad_(True)
        self.net.eval()
        probe = torch.zeros(1, 1, *image_size, dtype=torch.uint8)
        try:
            with torch.inference_mode():
                self.features: int = self._check_cut(probe).shape[1]
        except (
            AssertionError,
            RuntimeError,
            ValueError,
        ) as error:  # what networks raise at sizes they cannot take
            raise UserError(
                f"this network does not take images of {image_size[0]} x {image_size[1]} pixels: {error} "
                "Set data.image.size, or an argument of the network such as model.trunk.arguments.img_size."
            ) from error

    def prefix(self, images: Tensor) -> Tensor:
        """Return the boundary: pooled features (head), activations (last k blocks) or the images (all)."""
        if self.trainable == "all":
            return images
        if self.trainable == "head":
            return self._pool(self.trunk.features(self._normalise(images)))
        return self._input_of(self.trunk.blocks[-int(self.trainable)], images)

    def suffix(self, boundary: Tensor) -> Tensor:
        """Return the pooled features (B, D) of what ``prefix`` returned."""
        if self.trainable == "head":
            return boundary
        if self.trainable == "all":
            return self._pool(self.trunk.features(self._normalise(boundary)))
        for part in self.trained:
            boundary = part(boundary)
        return self._pool(boundary)

    def freeze_statistics(self) -> None:
        """Keep every BatchNorm on its stored statistics: a handful of labelled images cannot estimate them."""
        for module in self.trained.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()

    def _trained_parts(self) -> list[nn.Module]:
        if self.trainable == "head":
            return []
        if self.trainable == "all":
            return [self.net]
        try:
            count = int(self.trainable)
        except ValueError:
            raise UserError(f"model.trainable={self.trainable}: give head, all, or a number of blocks.") from None
        if not self.trunk.blocks:
            raise UserError(
                f"model.trainable={count}: coilal finds no list of blocks in this network; use head or all."
            )
        if not 1 <= count <= len(self.trunk.blocks):
            raise UserError(f"model.trainable={count}: this network has 1 to {len(self.trunk.blocks)} blocks.")
        return [*self.trunk.blocks[-count:], *self.trunk.tail]

    def _check_size(self, image_size: tuple[int, int]) -> None:
        patch = self.trunk.patch
        if any(side % patch for side in image_size):
            height, width = (max(patch, round(side / patch) * patch) for side in image_size)
            raise UserError(
                f"data.image.size={list(image_size)}: this backbone cuts images into patches of {patch} pixels; "
                f"use multiples of {patch}, for example data.image.size=[{height},{width}]"
            )

    def _check_cut(self, probe: Tensor) -> Tensor:
        """Return the pooled features of a probe image; refuse a cut that does not give the uncut result."""
        pooled = self.suffix(self.prefix(probe))
        if self.trainable not in ("head", "all"):
            whole = self._pool(self.trunk.features(self._normalise(probe)))
            if pooled.shape != whole.shape or not torch.allclose(pooled, whole, rtol=1e-3, atol=1e-4):
                raise UserError(
                    f"model.trainable={self.trainable}: this network cannot be cut into blocks; use head or all."
                )
        return pooled

    def _normalise(self, images: Tensor) -> Tensor:
        values = images.to(self.mean.dtype).div(255)
        return (values - self.mean) / self.std  # broadcasting repeats a grey channel for each colour

    def _input_of(self, block: nn.Module, images: Tensor) -> Tensor:
        """Run the network up to ``block`` and return what would enter it."""

        def stop(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            raise _BoundaryReachedError(inputs[0])

        handle = block.register_forward_pre_hook(stop)
        try:
            self.trunk.features(self._normalise(images))
        except _BoundaryReachedError as reached:
            return reached.boundary
        finally:
            handle.remove()
        raise UserError("this network does not apply its blocks one after the other; use trainable=head or all.")

    def _pool(self, features: Tensor) -> Tensor:
        if features.ndim == 4:
            prefix_tokens = 0
            if self.trunk.layout == "NHWC":
                features = features.permute(0, 3, 1, 2)
            patches = features.flatten(2)
        else:
            prefix_tokens = self.trunk.prefix_tokens
            patches = features[:, prefix_tokens:].transpose(1, 2)
        parts = {"mean": patches.mean(-1), "max": patches.amax(-1)}
        if prefix_tokens:
            parts["cls"] = features[:, 0]
        try:
            return torch.cat([parts[name] for name in self.pooling.split("_")], dim=1)
        except KeyError:
            choices = "mean, max, mean_max" + (", cls, cls_mean" if prefix_tokens else "")
            raise UserError(f"model.pooling={self.pooling} does not fit this network; use {choices}.") from None


class PooledFeatures(nn.Module):
    """What training needs of a backbone of which nothing is trained: the width of its pooled features.

    Args:
        features: their number D.
    """

    trainable = "head"

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features
        self.trained = nn.ModuleList()

    def suffix(self, boundary: Tensor) -> Tensor:
        """Return the pooled features (B, D), which the boundary is."""
        return boundary

    def freeze_statistics(self) -> None:
        """Do nothing: no BatchNorm is trained."""


class _BoundaryReachedError(Exception):
    """Not an error: ends a forward pass at the boundary, carrying the activations."""

    def __init__(self, boundary: Tensor) -> None:
        self.boundary = boundary
        super().__init__()
