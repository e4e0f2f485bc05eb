"""Augmented views of images, the same ones for the same stream of random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from coilal.common.types import ImageArray, UserError

AUGMENT_VERSION = 1  # to be raised when the same settings give other views


@dataclass(frozen=True)
class Augmentation:
    """How views differ from the images; faults are thin, so nothing blurs or scales them.

    Attributes:
        views: views of each image that are kept besides the image itself; 0 for no augmentation.
        shift: largest shift along each axis, as a share of its length; the edge is repeated.
        brightness: largest change of brightness, as a share of it.
        contrast: the same for contrast.
        horizontal_flip: whether half of the views are mirrored.
    """

    views: int = 0
    shift: float = 0.02
    brightness: float = 0.1
    contrast: float = 0.1
    horizontal_flip: bool = True

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        for name in ("shift", "brightness", "contrast"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"augmentation.{name}={getattr(self, name)}: give a share from 0 to below 1.")
        if self.views < 0:
            raise UserError(f"augmentation.views={self.views}: give 0 (off) or more.")

    def __call__(self, image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        """Return a view of an image, uint8 (C, H, W)."""
        from torchvision.transforms.v2 import functional  # a second to import

        pixels = torch.from_numpy(np.array(image))
        pixels = functional.adjust_brightness(pixels, rng.uniform(1 - self.brightness, 1 + self.brightness))
        pixels = functional.adjust_contrast(pixels, rng.uniform(1 - self.contrast, 1 + self.contrast))
        if rng.random() < 0.5 and self.horizontal_flip:
            pixels = functional.horizontal_flip(pixels)
        height, width = pixels.shape[1:]
        most = round(self.shift * height), round(self.shift * width)
        top, left = (int(rng.integers(0, 2 * side + 1)) for side in most)
        padded = functional.pad(pixels, [most[1], most[0]], padding_mode="edge")
        return np.asarray(functional.crop(padded, top, left, height, width).numpy())


class AugmentedImages:
    """A view of each image of an array, made when it is asked for.

    Args:
        images: uint8 (N, C, H, W).
        augmentation: how the view differs from the image.
        stream: number of the stream of random numbers; with the id of an image it determines the view.
    """

    def __init__(self, images: ImageArray, augmentation: Augmentation, stream: int) -> None:
        self.images, self.augmentation, self.stream = images, augmentation, stream

    @property
    def shape(self) -> tuple[int, ...]:
        """Return (N, C, H, W)."""
        return self.images.shape

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        ids = np.arange(len(self))[index]
        rows = zip(ids, self.images[index], strict=True)
        return np.stack(
            [self.augmentation(row, np.random.default_rng([self.stream, number])) for number, row in rows]
        )


class Views:
    """Outputs of a prefix for the images and for augmented views of them; by itself, those of the images.

    Args:
        plain: outputs for the images, row i for id i.
        augmented: outputs for each view, in the same order.
    """

    def __init__(self, plain: ImageArray, augmented: Sequence[ImageArray]) -> None:
        self.plain, self.augmented = plain, augmented

    @property
    def shape(self) -> tuple[int, ...]:
        """Return (N, …)."""
        return self.plain.shape

    def __len__(self) -> int:
        return len(self.plain)

    def __getitem__(self, index: Any) -> Any:
        return self.plain[index]

    def epoch(self, seed: int) -> ImageArray:
        """Return what one epoch of training sees: of each image, itself or one of its views at random."""
        arrays = [self.plain, *self.augmented]
        return _Drawn(arrays, np.random.default_rng(seed).integers(0, len(arrays), len(self)))


class AugmentedEpochs:
    """Images of which every epoch of training sees another view; by themselves, the images.

    Args:
        images: uint8 (N, C, H, W).
        augmentation: how views differ from the images.
    """

    def __init__(self, images: ImageArray, augmentation: Augmentation) -> None:
        self.images, self.augmentation = images, augmentation

    @property
    def shape(self) -> tuple[int, ...]:
        """Return (N, C, H, W)."""
        return self.images.shape

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any) -> Any:
        return self.images[index]

    def epoch(self, seed: int) -> ImageArray:
        """Return what one epoch of training sees."""
        return AugmentedImages(self.images, self.augmentation, seed)


class _Drawn:
    """Row i of the array that ``choice`` names for id i."""

    def __init__(self, arrays: Sequence[ImageArray], choice: NDArray[np.int64]) -> None:
        self.arrays, self.choice = arrays, choice

    @property
    def shape(self) -> tuple[int, ...]:
        return self.arrays[0].shape

    def __len__(self) -> int:
        return len(self.choice)

    def __getitem__(self, ids: NDArray[np.int64]) -> NDArray[Any]:
        chosen = self.choice[ids]
        rows = np.empty((len(chosen), *self.shape[1:]), dtype=np.float32)
        for number in np.unique(chosen):
            rows[chosen == number] = self.arrays[number][ids[chosen == number]]
        return rows
