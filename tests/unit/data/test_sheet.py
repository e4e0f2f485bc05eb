from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coilal.common.types import Samples, Targets, UserError
from coilal.data.sheet import Cell, check_sheet_file, contact_sheet, write_stored_sheet

NAMES = tuple(f"class_{i % 3}/a very long name of an image, {i:03}.png" for i in range(60))
SAMPLES = Samples(NAMES, NAMES)


def stored(channels: int = 1, size: tuple[int, int] = (32, 20)) -> np.ndarray:
    """Return images of which image i is of grey level 4·i throughout."""
    levels = 4 * np.arange(60, dtype=np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (60, channels, *size)).copy()


def classes(count: int) -> Targets:
    names = tuple(f"Größe {i}" for i in range(count))
    return Targets("multiclass", np.arange(60) % count, names, np.ones(60, bool))


def test_a_sheet_shows_some_images_of_each_class_as_they_are_stored(tmp_path: Path) -> None:
    assert write_stored_sheet(tmp_path / "a.png", stored(), SAMPLES, classes(3)) == 0
    sheet = np.asarray(Image.open(tmp_path / "a.png"))
    wide, high = 20 * 3 + 6, 32 * 3 + 6 + 18
    assert sheet.shape == (3 * high, 8 * wide)
    corners = sheet[10::high, 10::wide]
    assert corners[:, 0].tolist() == [0, 4, 8]
    assert corners[:, -1].tolist() == [4 * 57, 4 * 58, 4 * 59]


@pytest.mark.parametrize("size", [(8, 8), (476, 364), (8, 2000)])
@pytest.mark.parametrize("suffix", ["png", "jpg", "JPEG"])
def test_sheets_of_any_size_and_colour_are_written(tmp_path: Path, size: tuple[int, int], suffix: str) -> None:
    write_stored_sheet(tmp_path / f"a.{suffix}", stored(3, size), SAMPLES, classes(2))
    sheet = Image.open(tmp_path / f"a.{suffix}")
    assert sheet.mode == "RGB"
    assert max(sheet.size) < 5000


def test_combinations_of_labels_have_a_row_each_and_too_many_classes_are_told(tmp_path: Path) -> None:
    labels = np.array([[i % 2, i // 2 % 2] for i in range(60)])
    targets = Targets("multilabel", labels, ("gap", "scratch"), np.ones(60, bool))
    assert write_stored_sheet(tmp_path / "a.png", stored(), SAMPLES, targets) == 0
    assert Image.open(tmp_path / "a.png").height == 4 * (32 * 3 + 6 + 18)
    assert write_stored_sheet(tmp_path / "b.png", stored(), SAMPLES, classes(50)) == 10


def test_images_that_the_task_leaves_out_are_not_shown(tmp_path: Path) -> None:
    used = np.arange(60) >= 57
    targets = Targets("multiclass", np.where(used, 0, -1), ("ok",), used)
    write_stored_sheet(tmp_path / "a.png", stored(), SAMPLES, targets)
    assert Image.open(tmp_path / "a.png").width == 3 * (20 * 3 + 6)


def test_captions_stay_within_their_picture() -> None:
    cells = [[Cell(Image.new("L", (50, 20), "white"), "x" * 100), Cell(Image.new("L", (50, 20), "white"), "")]]
    sheet = np.asarray(contact_sheet(cells, (50, 20), below=True))
    assert (sheet[20:, :48] < 255).any()
    assert (sheet[:, 50:] == 255).all()


def test_files_that_no_sheet_can_be_written_to_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    for name, words in [("a.gif", "must end in"), ("none/a.png", "does not exist"), ("folder.png", "is a folder")]:
        with pytest.raises(UserError, match=words):
            check_sheet_file(tmp_path / name)
    check_sheet_file(tmp_path / "a.PNG")


def test_images_without_a_label_have_a_row_of_their_own(tmp_path: Path) -> None:
    values = np.where(np.arange(60) < 4, -1, np.arange(60) % 2)
    targets = Targets("multiclass", values, ("ok", "gap"), np.ones(60, bool))
    write_stored_sheet(tmp_path / "a.png", stored(), SAMPLES, targets)
    sheet = np.asarray(Image.open(tmp_path / "a.png"))
    assert sheet.shape[0] == 3 * (32 * 3 + 6 + 18)
    assert sheet[10, 10 : 4 * 66 : 66].tolist() == [0, 4, 8, 12]
