"""Backbone: a frozen prefix, whose outputs never change and are computed once, and a trainable suffix."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from coilal.common.types import UserError
from coilal.features.trunk import Trunk

Pooling = Literal["mean", "max", "mean_max", "cls", "cls_mean"]

# What networks raise at sizes, and blocks at inputs, that they cannot take.
_REFUSALS = (AssertionError, AttributeError, IndexError, NotImplementedError, RuntimeError, TypeError, ValueError)


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
        channels: those of the images, 1 or 3.

    Raises:
        UserError: the network cannot be cut there, or the pooling, the normalisation, the image size or the
            channels do not fit it.
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
        channels: int = 1,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.net = trunk.net
        self.pooling = pooling
        self.trainable = trainable
        self.register_buffer("mean", torch.tensor(mean or trunk.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std or trunk.std).view(1, -1, 1, 1), persistent=False)
        self._check_channels(channels)
        self._check_size(image_size)
        self.trained = nn.ModuleList(self._trained_parts())
        self.net.requires_grad_(False)
        self.trained.requires_grad_(True)
        self.net.eval()
        with torch.inference_mode():
            self.features: int = self._checked(_noise(image_size, channels)).shape[1]

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

    def _check_channels(self, images: int) -> None:
        taken = next((part.in_channels for part in self.net.modules() if isinstance(part, nn.Conv2d)), None)
        given = max(images, self.mean.numel(), self.std.numel())
        if taken not in (1, 3) or taken == given:  # another number is that of a later layer: the trial image tells
            return
        if images > 1:
            raise UserError(
                f"the images have {images} channels (data.image.mode=RGB), and this network takes {taken}: use "
                "data.image.mode=L."
            )
        raise UserError(
            f"model.normalisation has {self.mean.numel()} mean and {self.std.numel()} std, and this network takes "
            f"{taken} {'channel' if taken == 1 else 'channels'}: give each as a list of {taken}, for example "
            f"model.normalisation.mean=[{','.join(['0.45'] * taken)}] "
            f"model.normalisation.std=[{','.join(['0.23'] * taken)}]"
        )

    def _check_size(self, image_size: tuple[int, int]) -> None:
        patch = self.trunk.patch
        if any(side % patch for side in image_size):
            height, width = (max(patch, round(side / patch) * patch) for side in image_size)
            raise UserError(
                f"data.image.size={list(image_size)}: this backbone cuts images into patches of {patch} pixels; "
                f"use multiples of {patch}, for example data.image.size=[{height},{width}]"
            )

    def _checked(self, image: Tensor) -> Tensor:
        """Return the pooled features of an image; refuse its size, or a cut that gives others."""
        try:
            features = self.trunk.features(self._normalise(image))
        except _REFUSALS as error:
            raise UserError(
                f"this network does not take images of {image.shape[2]} x {image.shape[3]} pixels: {error} "
                "Set data.image.size, or an argument of the network, such as "
                f"+model.trunk.arguments.img_size=[{image.shape[2]},{image.shape[3]}]"
            ) from error
        if not isinstance(features, Tensor):
            raise UserError(
                "this network gives several feature maps, not one; choose another model.trunk.architecture"
            )
        whole = self._pool(features)
        if self.trainable in ("head", "all"):
            return whole
        try:
            cut = self.suffix(self.prefix(image))
        except _REFUSALS as error:  # a block that was given something else than the network gives it
            raise self._uncuttable() from error
        if cut.shape != whole.shape or not torch.allclose(cut, whole, rtol=1e-3, atol=1e-4):
            raise self._uncuttable()
        return whole

    def _uncuttable(self) -> UserError:
        return UserError(
            f"model.trainable={self.trainable}: this network cannot be cut into blocks that are applied one after "
            "the other; use head or all."
        )

    def _normalise(self, images: Tensor) -> Tensor:
        values = images.to(self.mean.dtype).div(255)
        return (values - self.mean) / self.std  # broadcasting repeats a grey channel for each colour

    def _input_of(self, block: nn.Module, images: Tensor) -> Tensor:
        """Run the network up to ``block`` and return what would enter it."""

        def stop(_: nn.Module, inputs: tuple[Any, ...], others: dict[str, Any]) -> None:
            boundary, *more = (*inputs, *others.values())
            if not isinstance(boundary, Tensor) or any(isinstance(one, Tensor) for one in more):
                raise self._uncuttable()  # what is stored is one tensor
            raise _BoundaryReachedError(boundary)

        handle = block.register_forward_pre_hook(stop, with_kwargs=True)
        try:
            self.trunk.features(self._normalise(images))
        except _BoundaryReachedError as reached:
            return reached.boundary
        finally:
            handle.remove()
        raise self._uncuttable()

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


def _noise(size: tuple[int, int], channels: int) -> Tensor:
    """Return an image, uint8 (1, C, H, W), no part of which is like another: a wrong cut shows on it."""
    return torch.randint(256, (1, channels, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


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
