from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coilal.common.types import ImageFormat
from coilal.data.decode import eight_bit, fit_image, open_image
from tests.image_files import write_png


def picture(height: int, width: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8))


@pytest.mark.parametrize("fit", ["squash", "crop", "letterbox"])
@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3)])
def test_every_fit_gives_the_stored_shape(fit: str, mode: str, channels: int) -> None:
    pixels = fit_image(picture(30, 50), ImageFormat((12, 16), fit, mode))  # type: ignore[arg-type]
    assert pixels.shape == (channels, 12, 16)
    assert pixels.dtype == np.uint8


def test_an_image_of_the_right_size_is_not_touched() -> None:
    image = picture(9, 7)
    assert np.array_equal(fit_image(image, ImageFormat((9, 7)))[0], np.asarray(image))


def test_crop_keeps_the_centre_and_letterbox_pads_with_black() -> None:
    halves = np.zeros((10, 30), np.uint8)
    halves[:, 10:20] = 200  # the centre square
    image = Image.fromarray(halves)
    assert (fit_image(image, ImageFormat((10, 10), "crop")) == 200).all()
    padded = fit_image(Image.fromarray(np.full((10, 30), 200, np.uint8)), ImageFormat((30, 30), "letterbox"))[0]
    assert (padded[:10] == 0).all()
    assert (padded[10:20] == 200).all()
    assert (padded[20:] == 0).all()


def test_shrinking_is_antialiased() -> None:
    stripes = Image.fromarray(np.tile(np.array([[0], [255]], np.uint8), (50, 20)))
    small = fit_image(stripes, ImageFormat((25, 20)))[0, 2:-2]
    assert np.abs(small.astype(float) - 127.5).max() < 3  # picking every fourth row would give 0 or 255


def test_the_default_size_keeps_a_seam_of_two_pixels() -> None:
    coil = np.full((486, 745), 150, np.uint8)
    coil[240:242] = 50
    small = fit_image(Image.fromarray(coil), ImageFormat((476, 364)))[0]
    assert small.min() < 70


def test_an_unknown_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="squash, crop or letterbox"):
        fit_image(picture(4, 4), ImageFormat((4, 4), "stretch"))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_deep_pixels_need_a_range_before_they_are_fitted(kind: type) -> None:
    with pytest.raises(ValueError, match="more than 8 bits"):
        eight_bit(Image.fromarray(np.zeros((2, 2), kind)), "L")


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "RGB", "CMYK", "YCbCr", "PA"])
def test_other_modes_keep_their_brightness(mode: str) -> None:
    image = Image.new("L", (4, 4), 255).convert("RGB").convert(mode)
    assert (np.asarray(eight_bit(image, "L")) >= 250).all()


def test_a_palette_with_transparency_is_read_without_warnings() -> None:
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, 90, 90, 90])
    image.info["transparency"] = b"\x00\x00"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (np.asarray(eight_bit(image, "L")) == 90).all()


def test_images_are_turned_as_exif_says(tmp_path: Path) -> None:
    image, exif = picture(2, 5), Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    image.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(np.asarray(open_image(tmp_path / "a.png", "L")), np.rot90(np.asarray(image), -1))


def test_deep_colours_become_grey_with_the_weights_of_8_bits(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    write_png(tmp_path / "deep.png", colours.astype(np.uint16) * 256)
    Image.fromarray(colours).save(tmp_path / "plain.png")
    deep, plain = (open_image(tmp_path / name, "L") for name in ("deep.png", "plain.png"))
    assert np.abs(deep / 256 - plain).max() < 0.6


def test_deep_grey_in_three_channels(tmp_path: Path) -> None:
    grey = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    Image.fromarray(grey).save(tmp_path / "a.png")
    assert np.array_equal(open_image(tmp_path / "a.png", "RGB"), np.stack([grey] * 3, 2))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    values = np.zeros((3, 4), np.float32)
    values[1, 1] = value
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match="NaN or infinite"):
        open_image(tmp_path / "a.tif", "L")


def test_the_asked_page_is_read(tmp_path: Path) -> None:
    pages = [picture(4, 5), picture(6, 7)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert np.array_equal(open_image(tmp_path / "a.tif", "L", 2), np.asarray(pages[1]))


@pytest.mark.slow
def test_an_image_above_the_limit_of_pillow_is_read_without_a_warning(tmp_path: Path) -> None:
    Image.new("1", (20_000, 10_000)).save(tmp_path / "line_scan.tif", compression="group4")  # 200 million pixels
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_image(tmp_path / "line_scan.tif", "L").shape == (10_000, 20_000)
