from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from coilal.common.types import DataError, UserError
from coilal.labelling.formats.coco import write_coco
from coilal.labelling.formats.rows import Labelled


def images(folder: Path) -> None:
    (folder / "x").mkdir(parents=True)
    Image.new("L", (40, 30)).save(folder / "x" / "a.png")
    Image.new("RGB", (8, 9)).save(folder / "b.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("L", (50, 20)).save(folder / "c.jpg", exif=exif)


ROWS = [
    Labelled("x/a.png", "7", ("gap", "Lücke"), "pool"),
    Labelled("b.png", "8", (), "test"),
    Labelled("c.jpg", "9", ("gap",), "pool"),
]


def test_images_labels_and_sizes_are_written(tmp_path: Path) -> None:
    images(tmp_path / "images")
    out = tmp_path / "new" / "labels.json"
    write_coco(out, ROWS, ["Lücke", "gap", "never"], tmp_path / "images")
    coco = json.loads(out.read_text(encoding="utf-8"))
    names = {each["id"]: each["name"] for each in coco["categories"]}
    assert sorted(names.items()) == [(1, "Lücke"), (2, "gap"), (3, "never")]
    shown = [(each["file_name"], each["width"], each["height"], each["part"]) for each in coco["images"]]
    assert shown == [("x/a.png", 40, 30, "pool"), ("b.png", 8, 9, "test"), ("c.jpg", 20, 50, "pool")]
    files = {each["id"]: each["file_name"] for each in coco["images"]}
    said = {(files[each["image_id"]], names[each["category_id"]]) for each in coco["annotations"]}
    assert said == {("x/a.png", "gap"), ("x/a.png", "Lücke"), ("c.jpg", "gap")}
    assert len({each["id"] for each in coco["annotations"]}) == 3
    assert not any("bbox" in each for each in coco["annotations"])


def test_a_class_is_one_annotation(tmp_path: Path) -> None:
    images(tmp_path)
    write_coco(tmp_path / "out.json", [Labelled("b.png", "8", "ok", "pool")], ["ok", "bad"], tmp_path)
    coco = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert [each["category_id"] for each in coco["annotations"]] == [1]


def test_nothing_is_written_where_images_cannot_be_opened(tmp_path: Path) -> None:
    images(tmp_path)
    (tmp_path / "b.png").write_bytes(b"no image")
    rows = [*ROWS, Labelled("gone.png", "1", (), "pool")]
    with pytest.raises(DataError) as caught:
        write_coco(tmp_path / "out" / "labels.json", rows, ["Lücke", "gap"], tmp_path)
    assert "b.png" in str(caught.value)
    assert "gone.png" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_file_is_not_overwritten(tmp_path: Path) -> None:
    images(tmp_path)
    (tmp_path / "labels.json").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="not overwritten"):
        write_coco(tmp_path / "labels.json", ROWS, ["Lücke", "gap"], tmp_path)
    assert (tmp_path / "labels.json").read_text(encoding="utf-8") == "mine"


def test_no_images_are_a_file_as_well(tmp_path: Path) -> None:
    write_coco(tmp_path / "labels.json", [], ["gap"], tmp_path)
    assert json.loads((tmp_path / "labels.json").read_text(encoding="utf-8"))["images"] == []
