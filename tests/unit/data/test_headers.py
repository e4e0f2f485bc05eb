from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from coilal.common.types import ImageFormat
from coilal.data import headers
from coilal.data.headers import HEADER, header_notes, header_problems, read_headers

FORMAT = ImageFormat((32, 32))


def read(folder: Path, page: int | None = None) -> tuple[list[str], np.ndarray]:
    names = sorted(path.name for path in folder.iterdir())
    return names, np.concatenate([np.zeros(0, HEADER), *read_headers(folder, names, page)])


def notes(folder: Path, image: ImageFormat = FORMAT) -> str:
    return "\n".join(header_notes(read(folder, image.page)[1], image))


def problems(folder: Path, image: ImageFormat = FORMAT) -> str:
    names, found = read(folder, image.page)
    return "\n".join(problem.describe() for problem in header_problems(names, found, image))


def test_sizes_are_those_of_the_turned_image_and_nothing_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a.jpg", "b.png", "c.tif"):
        Image.new("L", (50, 20)).save(tmp_path / name, exif=exif)
    (tmp_path / "d.png").write_text("no image")
    monkeypatch.setattr(ImageFile.ImageFile, "load_prepare", lambda *_: pytest.fail("decoded"))
    _, found = read(tmp_path)
    assert found[["height", "width"]].tolist() == [(50, 20)] * 3 + [(0, 0)]
    assert found["turned"].tolist() == [True, True, True, False]
    assert found["type"].tolist() == [b"uint8"] * 3 + [b""]
    assert "3 of 4 images are turned as their EXIF orientation says" in notes(tmp_path)


def test_how_unusual_images_are_read_is_told_with_counts(tmp_path: Path) -> None:
    for mode, name in (
        ("RGBA", "a.png"), ("LA", "b.png"), ("P", "c.png"), ("1", "d.png"), ("CMYK", "e.jpg"), ("RGB", "f.png"),
        ("L", "g.png"),
    ):  # fmt: skip
        Image.new(mode, (9, 9)).save(tmp_path / name)
    told = notes(tmp_path)
    for words in (
        "2 of 7 images have an alpha channel, which is not used",
        "1 of 7 images have a palette",
        "1 of 7 images have 1 bit a pixel",
        "1 of 7 images are in CMYK",
        "3 of 7 images are stored in colour and used in grey",
    ):
        assert words in told
    assert "used in grey" not in notes(tmp_path, ImageFormat((32, 32), mode="RGB"))
    assert problems(tmp_path) == ""


def test_files_with_several_pages_need_a_page(tmp_path: Path) -> None:
    pages = [Image.new("L", (9, 9)), Image.new("L", (19, 9), 9)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "b.gif", save_all=True, append_images=[Image.new("L", (9, 9), 9)])
    pages[0].save(tmp_path / "c.tif")
    assert "data.image.page=1 is the first, or save the images one a file (2):" in problems(tmp_path)
    assert problems(tmp_path, ImageFormat((32, 32), page=1)) == ""
    assert "2 of 3 images have several pages or frames, of which number 1" in notes(
        tmp_path, ImageFormat((32, 32), page=1)
    )
    assert "files without a page 2 (data.image.page) (1):\n  c.tif: 1 page" in problems(
        tmp_path, ImageFormat((32, 32), page=2)
    )
    assert read(tmp_path, 2)[1]["width"].tolist()[0] == 19


def test_the_first_picture_of_an_mpo_is_used(tmp_path: Path) -> None:
    first = Image.new("L", (9, 9), 100)
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[Image.new("L", (9, 9))])
    assert problems(tmp_path) == ""
    assert "1 of 1 images hold several pictures (MPO), of which the first is used" in notes(tmp_path)


def test_an_image_too_large_for_memory_is_refused_before_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("1", (100, 50)).save(tmp_path / "a.png")
    monkeypatch.setattr(headers, "MOST_PIXELS", 4999)
    assert "a.png: 100 x 50" in problems(tmp_path)


def test_32_bits_have_no_full_range(tmp_path: Path) -> None:
    Image.new("F", (9, 9)).save(tmp_path / "a.tif")
    assert "set data.image.range=[LOW,HIGH] (1):\n  a.tif: float32" in problems(
        tmp_path, ImageFormat((32, 32), range="dtype")
    )
    assert problems(tmp_path, ImageFormat((32, 32), range=(0, 1))) == ""


@pytest.mark.parametrize(
    ("size", "fit", "refused", "told"),
    [
        ((4096, 4), "letterbox", True, True),
        ((4, 4096), "letterbox", True, True),
        ((4096, 1000), "letterbox", False, True),
        ((4096, 1024), "letterbox", False, False),
        ((4096, 4), "crop", True, True),
        ((50, 10), "crop", False, True),
        ((39, 10), "crop", False, False),
        ((4096, 4), "squash", False, False),
    ],
)
def test_a_fit_that_leaves_little_is_told_and_one_that_leaves_nothing_refused(
    tmp_path: Path, size: tuple[int, int], fit: str, refused: bool, told: bool
) -> None:
    Image.new("L", size).save(tmp_path / "a.png")
    image = ImageFormat((32, 32), fit)  # type: ignore[arg-type]
    assert (f"a.png: {size[0]} pixels wide, {size[1]} high" in problems(tmp_path, image)) == refused
    assert (f"with data.image.fit={fit}: choose squash" in notes(tmp_path, image)) == told
