from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from coilal.data.decode import open_image
from coilal.data.image_file import opened, pixel_type
from tests.image_files import write_png, write_tiff

RANDOM = np.random.default_rng(0)
COLOURS = RANDOM.integers(0, 65536, (13, 11, 3), dtype=np.uint16)
GREY = COLOURS[..., 0]
WITH_ALPHA = np.dstack([COLOURS, GREY])


@pytest.mark.parametrize("pixels", [COLOURS, WITH_ALPHA, COLOURS[..., :2], GREY], ids=["RGB", "RGBA", "LA", "L"])
def test_all_bits_of_a_16_bit_png_are_read(tmp_path: Path, pixels: np.ndarray) -> None:
    write_png(tmp_path / "a.png", pixels)
    expected = pixels[..., :3] if pixels.shape[2:] in ((3,), (4,)) else np.stack([GREY] * 3, 2)
    assert np.array_equal(open_image(tmp_path / "a.png", "RGB"), expected)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("deflated", [False, True])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("pixels", [COLOURS, GREY, (GREY >> 8).astype(np.uint8)], ids=["RGB", "16", "8"])
def test_tiffs_of_every_byte_order_compression_and_orientation(
    tmp_path: Path, pixels: np.ndarray, order: str, deflated: bool, orientation: int
) -> None:
    write_tiff(tmp_path / "a.tif", pixels, order, deflated, orientation)
    expected = pixels if orientation == 1 else np.rot90(pixels, -1)
    assert np.array_equal(open_image(tmp_path / "a.tif", "L" if pixels.ndim == 2 else "RGB"), expected)


@pytest.mark.parametrize("kind", ["u2", "i2", "u4", "i4", "f4", "i1"])
def test_numbers_of_every_type_are_read_as_they_are(tmp_path: Path, kind: str) -> None:
    values: np.ndarray[Any, Any] = (GREY.astype(np.int64) * 60000).astype(kind)
    write_tiff(tmp_path / "a.tif", values)
    read = open_image(tmp_path / "a.tif", "L")
    assert read.dtype == np.dtype(kind)
    assert np.array_equal(read, values)
    with opened(tmp_path / "a.tif") as image:
        assert pixel_type(image) == np.dtype(kind)


def test_white_that_is_0_is_turned_round(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", GREY, photometric=0)
    assert np.array_equal(open_image(tmp_path / "a.tif", "L"), 65535 - GREY)


@pytest.mark.parametrize(
    ("largest", "name", "pixels"), [(4095, "P5", GREY), (4095, "P6", COLOURS), (65535, "P6", COLOURS)]
)
def test_portable_anymaps_keep_the_values_of_the_camera(
    tmp_path: Path, largest: int, name: str, pixels: np.ndarray
) -> None:
    values = np.minimum(pixels, largest)
    (tmp_path / "a.pnm").write_bytes(f"{name}\n11 13\n{largest}\n".encode() + values.astype(">u2").tobytes())
    assert np.array_equal(open_image(tmp_path / "a.pnm", "L" if pixels.ndim == 2 else "RGB"), values)
    (tmp_path / "a.pnm").write_bytes(f"{name}\n11 13\n{largest}\n".encode() + b"1234")
    with pytest.raises(OSError, match="truncated"):
        open_image(tmp_path / "a.pnm", "RGB")


def test_deep_colours_that_pillow_cannot_give_are_refused(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", WITH_ALPHA, photometric=5)
    with pytest.raises(ValueError, match="more than 8 bits in a file of the kind TIFF CMYK"):
        open_image(tmp_path / "a.tif", "L")
    Image.fromarray((COLOURS >> 8).astype(np.uint8)).save(tmp_path / "b.jp2")
    assert open_image(tmp_path / "b.jp2", "RGB").dtype == np.uint8
    content = bytearray((tmp_path / "b.jp2").read_bytes())
    content[content.find(b"\xff\x4f\xff\x51") + 42] = 11  # the precision of the first channel is 12 bits
    (tmp_path / "b.jp2").write_bytes(content)
    with opened(tmp_path / "b.jp2") as image:
        assert pixel_type(image) == np.uint16


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("pixels", [COLOURS, WITH_ALPHA], ids=["RGB", "RGBA"])
def test_16_bit_colours_in_planes_are_read(
    tmp_path: Path, pixels: np.ndarray, order: str, orientation: int
) -> None:
    write_tiff(tmp_path / "a.tif", pixels, order, orientation=orientation, planar=True)
    expected = COLOURS if orientation == 1 else np.rot90(COLOURS, -1)
    assert np.array_equal(open_image(tmp_path / "a.tif", "RGB"), expected)
    with opened(tmp_path / "a.tif") as image:
        assert pixel_type(image) == np.uint16


def test_8_bit_colours_in_planes_are_read(tmp_path: Path) -> None:
    pixels = (COLOURS >> 8).astype(np.uint8)
    for deflated in (False, True):
        write_tiff(tmp_path / "a.tif", pixels, deflated=deflated, planar=True)
        assert np.array_equal(open_image(tmp_path / "a.tif", "RGB"), pixels)


@pytest.mark.parametrize(
    ("pixels", "photometric", "deflated"),
    [
        (COLOURS, 2, True),
        (WITH_ALPHA, 5, False),
        (GREY[..., None].astype(np.float32), 1, False),
        ((GREY[..., None] >> 8).astype(np.uint8), 0, False),
    ],
    ids=["deflated", "CMYK", "float", "white is 0"],
)
def test_planes_that_pillow_takes_for_others_are_refused(
    tmp_path: Path, pixels: np.ndarray, photometric: int, deflated: bool
) -> None:
    write_tiff(tmp_path / "a.tif", pixels, deflated=deflated, photometric=photometric, planar=True)
    with pytest.raises(ValueError, match="PlanarConfiguration 1, chunky"):
        open_image(tmp_path / "a.tif", "L")


def test_float_values_of_which_0_is_white_are_refused(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", GREY.astype(np.float32), photometric=0)
    with pytest.raises(ValueError, match="save it so that 0 is black"):
        open_image(tmp_path / "a.tif", "L")


@pytest.mark.parametrize(("name", "pixels"), [("P2", GREY >> 4), ("P3", COLOURS >> 4)])
def test_plain_anymaps_keep_the_values_of_the_camera(tmp_path: Path, name: str, pixels: np.ndarray) -> None:
    path = tmp_path / "a.pnm"
    head = f"{name}\n11 13\n4095\n# taken at 3 o'clock\n"
    path.write_text(head + " ".join(map(str, pixels.ravel())) + "\n")
    assert np.array_equal(open_image(path, "L" if name == "P2" else "RGB"), pixels)
    path.write_text(head + "4096 " * pixels.size)
    with pytest.raises(ValueError, match="above the largest"):
        open_image(path, "RGB")
    path.write_text(head + "1 2 3")
    with pytest.raises(OSError, match="truncated"):
        open_image(path, "RGB")
