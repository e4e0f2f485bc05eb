from __future__ import annotations

import json
from pathlib import Path

import pytest

from coilal.active.labels import NoLabel
from coilal.common.types import DataError, Kind
from coilal.labelling.formats.answers import Given, read

KNOWN = ["a.png", "b.png", "c.png", "x/d.png", "y/d.png"]
CLASSES = ["ok", "dent", "gap"]


def given(folder: Path, text: str, kind: Kind = "multiclass", name: str = "file.csv") -> Given:
    file = folder / name
    file.write_bytes(text.encode())
    return read(file, kind, CLASSES, KNOWN)


def refused(folder: Path, text: str, kind: Kind = "multiclass", name: str = "file.csv") -> str:
    with pytest.raises(DataError) as caught:
        given(folder, text, kind, name)
    return str(caught.value)


def test_unknown_images_are_listed_with_their_lines(tmp_path: Path) -> None:
    said = refused(tmp_path, "image,label\na.png,ok\nz.png,ok\nz/d.png,ok\nd.png,gap\n")
    assert "line 3: z.png" in said
    assert "line 4: z/d.png (is x/d.png or y/d.png meant?)" in said
    assert "line 5: d.png may be x/d.png or y/d.png" in said
    assert "a.png" not in said


def test_unknown_classes_are_listed_with_the_nearest(tmp_path: Path) -> None:
    said = refused(tmp_path, "image,label\na.png,dents\nb.png,scratch\n")
    assert "line 2: dents (the nearest is dent)" in said
    assert "line 3: scratch" in said
    assert "ok, dent, gap" in said


def test_an_image_told_twice_is_one_answer_or_a_conflict(tmp_path: Path) -> None:
    found = given(tmp_path, "image,label\na.png,ok\na.png,OK\nb.png,ok\nb.png,dent\nc.png,gap\nc.png,\n")
    assert found.answers == {"a.png": "ok", "c.png": "gap"}
    assert found.conflicts == ("b.png: ok (line 4) and dent (line 5)",)
    assert found.unanswered == ()


def test_who_skips_contradicts_nobody_and_who_is_unsure_does(tmp_path: Path) -> None:
    rows = "a.png,skip\na.png,ok\nb.png,?\nb.png,ok\nc.png,skip\n"
    found = given(tmp_path, f"image,label\n{rows}")
    assert found.answers == {"a.png": "ok", "c.png": NoLabel.SKIP}
    assert found.skipped == ("c.png",)
    assert found.conflicts == ("b.png: unsure (line 4) and ok (line 5)",)


def test_an_empty_cell_is_no_answer(tmp_path: Path) -> None:
    found = given(tmp_path, "image,label\na.png,\nb.png,ok\n")
    assert found.answers == {"b.png": "ok"}
    assert found.unanswered == ("a.png",)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"images": [], "annotations": [], "categories": []}, "COCO"),
        ([{"data": {"image": "a.png"}}], "without annotations"),
        ({"id": 1, "task": {}, "result": []}, "in a storage"),
        ([{"image": "a.png", "label": "ok"}], "a list with image, label"),
        ({"a": 1}, "an object with a"),
        ([], "a list"),
        ([1], "a list"),
    ],
)
def test_other_json_is_called_what_it_looks_like(tmp_path: Path, content: object, says: str) -> None:
    assert says in refused(tmp_path, json.dumps(content), name="file.json")


def test_broken_json_is_told(tmp_path: Path) -> None:
    assert "looks like JSON and cannot be read" in refused(tmp_path, '[{"a": ', name="file.json")


def test_a_workbook_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "file.xlsx").write_bytes(b"PK\x03\x04....")
    with pytest.raises(DataError, match="workbook"):
        read(tmp_path / "file.xlsx", "multiclass", CLASSES, KNOWN)


def test_a_table_may_begin_with_a_bracket(tmp_path: Path) -> None:
    assert given(tmp_path, "[note],image,label\nn,a.png,ok\n").answers == {"a.png": "ok"}


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.csv cannot be read"):
        read(tmp_path / "nowhere.csv", "multiclass", CLASSES, KNOWN)
