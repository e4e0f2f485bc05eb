from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from coilal.common.types import DataError, UserError
from coilal.labelling.formats.rows import Labelled
from coilal.labelling.formats.yolo import write_yolo

ROWS = [
    Labelled("x/a.png", "7", "ok", "pool"),
    Labelled("y/a.png", "8", "01", "validation"),
    Labelled("b.png", "9", "ok", "test"),
    Labelled("c.png", "9", "ok", "validation"),
    Labelled("d.png", "7", "01", "pool"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = tmp_path / "images"
    for row in ROWS:
        (images / row.image).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), len(row.image)).save(images / row.image)
    return images


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


TREE = ["test/ok/b.png", "train/01/d.png", "train/ok/x/a.png", "val/01/y/a.png", "val/ok/c.png"]


@pytest.mark.parametrize("copy", [False, True])
def test_the_tree_has_a_folder_a_class(folder: Path, tmp_path: Path, copy: bool) -> None:
    notes = write_yolo(tmp_path / "out", ROWS, "multiclass", folder, copy)
    assert tree(tmp_path / "out") == TREE
    file = tmp_path / "out" / "train" / "ok" / "x" / "a.png"
    assert file.is_symlink() != copy
    assert file.read_bytes() == (folder / "x" / "a.png").read_bytes()
    assert len(notes) == 1
    assert "test has no image of 01" in notes[0]


@pytest.mark.slow
def test_torchvision_reads_the_tree(folder: Path, tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder

    write_yolo(tmp_path / "out", ROWS, "multiclass", folder)
    found = ImageFolder(str(tmp_path / "out" / "train"))
    assert found.classes == ["01", "ok"]
    assert [number for _, number in found.samples] == [0, 1]


def test_several_labels_an_image_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="COCO"):
        write_yolo(tmp_path / "out", [], "multilabel", tmp_path)


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden", "what?", "end "])
def test_a_class_that_cannot_be_a_folder_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="cannot be the name of a folder"):
        write_yolo(tmp_path / "out", [Labelled("b.png", "9", name, "pool")], "multiclass", folder)
    assert not (tmp_path / "out").exists()


def test_classes_of_one_name_in_another_case_are_refused(folder: Path, tmp_path: Path) -> None:
    rows = [Labelled("b.png", "9", "OK", "pool"), Labelled("c.png", "9", "ok", "pool")]
    with pytest.raises(DataError, match="OK and ok"):
        write_yolo(tmp_path / "out", rows, "multiclass", folder)


def test_images_that_are_not_there_are_listed_and_nothing_is_written(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png"):
        write_yolo(tmp_path / "out", [*ROWS, Labelled("gone.png", "9", "ok", "pool")], "multiclass", folder)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_left_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="holds something"):
        write_yolo(tmp_path / "out", ROWS, "multiclass", folder)
    assert tree(tmp_path / "out") == ["mine.txt"]


def test_without_validation_it_is_told(folder: Path, tmp_path: Path) -> None:
    notes = write_yolo(tmp_path / "out", ROWS[:1], "multiclass", folder)
    assert any("no image for val" in note for note in notes)


def test_images_of_a_kind_that_is_not_read_are_told(folder: Path, tmp_path: Path) -> None:
    (folder / "b.png").rename(folder / "b.PGM")
    rows = [*ROWS[:2], *ROWS[3:], Labelled("b.PGM", "9", "ok", "pool")]
    (note,) = write_yolo(tmp_path / "out", rows, "multiclass", folder)
    assert ".pgm" in note
