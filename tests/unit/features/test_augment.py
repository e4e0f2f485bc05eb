from __future__ import annotations

import numpy as np
import pytest

from coilal.common.types import AugmentedArray, UserError
from coilal.features.augment import Augmentation, AugmentedEpochs, AugmentedImages, Views

IMAGES = np.random.default_rng(0).integers(60, 190, (12, 1, 40, 30), dtype=np.uint8)
NOTHING = {"views": 1, "shift": 0.0, "brightness": 0.0, "contrast": 0.0, "horizontal_flip": False}


def view(**settings: object) -> np.ndarray:
    return AugmentedImages(IMAGES, Augmentation(**(NOTHING | settings)), 1)[np.arange(12)]  # type: ignore[arg-type]


def test_no_change_leaves_the_image() -> None:
    np.testing.assert_array_equal(view(), IMAGES)


def test_flip_mirrors_some_images_and_leaves_the_others() -> None:
    flipped = [
        np.array_equal(got, image[..., ::-1]) for got, image in zip(view(horizontal_flip=True), IMAGES, strict=True)
    ]
    kept = [np.array_equal(got, image) for got, image in zip(view(horizontal_flip=True), IMAGES, strict=True)]
    assert all(a != b for a, b in zip(flipped, kept, strict=True))
    assert 0 < sum(flipped) < 12


def test_shift_moves_by_whole_pixels_up_to_the_limit() -> None:
    offsets = set()
    for got, image in zip(view(shift=0.1), IMAGES, strict=True):  # 4 rows, 3 columns
        found = [
            (dy, dx)
            for dy in range(-4, 5)
            for dx in range(-3, 4)
            if np.array_equal(got[0, 4:-4, 3:-3], image[0, 4 + dy : 36 + dy, 3 + dx : 27 + dx])
        ]
        assert len(found) == 1
        offsets |= set(found)
    assert len(offsets) > 4


def test_brightness_and_contrast_stay_within_their_limits() -> None:
    ratio = view(brightness=0.2).mean((1, 2, 3)) / IMAGES.mean((1, 2, 3))
    assert 0.79 < ratio.min() < 0.95
    assert 1.05 < ratio.max() < 1.21
    spread = view(contrast=0.2).std((1, 2, 3)) / IMAGES.std((1, 2, 3))
    assert 0.79 < spread.min() < 0.95
    assert 1.05 < spread.max() < 1.21


def test_a_view_depends_on_stream_and_image_only() -> None:
    settings = Augmentation(1)
    images = AugmentedImages(IMAGES, settings, 3)
    np.testing.assert_array_equal(images[4:8], images[np.array([7, 4, 5, 6])][[1, 2, 3, 0]])
    np.testing.assert_array_equal(images[:4], AugmentedImages(IMAGES[:4], settings, 3)[:4])
    assert not np.array_equal(images[:4], AugmentedImages(IMAGES, settings, 4)[:4])
    assert len(images) == 12
    assert images.shape == IMAGES.shape


def test_colour_images_are_augmented() -> None:
    colour = np.repeat(IMAGES, 3, 1)
    assert AugmentedImages(colour, Augmentation(1), 0)[:2].shape == (2, 3, 40, 30)


@pytest.mark.parametrize("settings", [{"views": -1}, {"shift": 1.0}, {"contrast": -0.1}])
def test_settings_are_checked(settings: dict[str, float]) -> None:
    with pytest.raises(UserError, match=f"augmentation.{next(iter(settings))}"):
        Augmentation(**settings)  # type: ignore[arg-type]


def test_an_epoch_draws_a_view_for_each_image() -> None:
    arrays = [np.full((200, 2), view, dtype=np.float32) + np.arange(200)[:, None] * 10 for view in range(3)]
    views = Views(arrays[0], arrays[1:])
    assert isinstance(views, AugmentedArray)
    ids = np.random.default_rng(0).permutation(200)
    np.testing.assert_array_equal(views[ids], arrays[0][ids])
    epoch = views.epoch(5)
    drawn = epoch[ids][:, 0] - ids * 10
    assert set(drawn) == {0, 1, 2}
    np.testing.assert_array_equal(epoch[ids[:50]], views.epoch(5)[ids][:50])
    assert not np.array_equal(epoch[ids], views.epoch(6)[ids])


def test_without_a_frozen_part_every_epoch_makes_other_views() -> None:
    images = AugmentedEpochs(IMAGES, Augmentation(1))
    assert isinstance(images, AugmentedArray)
    np.testing.assert_array_equal(images[:3], IMAGES[:3])
    np.testing.assert_array_equal(images.epoch(1)[:3], images.epoch(1)[:3])
    assert not np.array_equal(images.epoch(1)[:3], images.epoch(2)[:3])


def test_plain_arrays_have_no_views() -> None:
    assert not isinstance(IMAGES, AugmentedArray)
