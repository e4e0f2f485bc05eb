from __future__ import annotations

import numpy as np
import pytest

from coilal.data.pixel_range import PixelRange, full_range, scaled, spread


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.float32])
def test_values_are_scaled_linearly_rounded_and_clipped(kind: type) -> None:
    values = np.array([[0, 10, 11, 60, 109, 110, 120]], dtype=kind)
    result, outside = scaled(values, PixelRange(10, 110))
    assert result.dtype == np.uint8
    assert result.tolist() == [[0, 0, 3, 128, 252, 255, 255]]
    assert outside == 2


def test_large_images_are_scaled_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(0, 4096, (17, 19, 3)).astype(np.float32)
    whole = scaled(values, PixelRange(100, 4000))
    monkeypatch.setattr("coilal.data.pixel_range._BLOCK", 10)
    blocks = scaled(values, PixelRange(100, 4000))
    assert np.array_equal(whole[0], blocks[0])
    assert whole[1] == blocks[1]


def test_a_set_of_one_single_value_is_black() -> None:
    assert scaled(np.full((2, 2), 7, np.uint16), PixelRange(7, 7))[0].tolist() == [[0, 0], [0, 0]]


def test_one_hot_and_one_dead_pixel_do_not_count() -> None:
    values = np.random.default_rng(0).integers(100, 200, (40, 40)).astype(np.uint16)
    values[3, 4], values[5, 6] = 65535, 0
    assert 100 <= spread(values).low < spread(values).high < 200


def test_a_tiny_image_is_taken_as_it_is() -> None:
    assert spread(np.array([[0, 100, 65535]], np.uint16)) == (0, 65535)


def test_a_range_is_typed_as_it_is_printed() -> None:
    limits = spread(np.array([[0.1, 0.7]], np.float32))
    assert str(limits) == "[0.1,0.7]"
    assert str(PixelRange(40, 4095)) == "[40,4095]"
    assert limits == (0.1, 0.7)


def test_the_full_range_is_that_of_the_type() -> None:
    assert full_range(np.dtype(np.uint16)) == (0, 65535)
    assert full_range(np.dtype(np.int16)) == (-32768, 32767)
    assert full_range(np.dtype(np.float32)) is full_range(np.dtype(np.int32)) is None
