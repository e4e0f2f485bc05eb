from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from coilal.common.types import DecodedImages, Samples, Split
from coilal.run_directory.data_record import (
    DataRecord,
    changes,
    differing_aspects,
    given_split_changes,
    label_texts,
    read_rows,
)

SAMPLES = Samples(
    names=("a.png", "b, c.png", "ü.png", "d.png"),
    groups=("1", "1", "2", "3"),
    classes=np.array([0, 1, 0, 1]),
    class_names=("ok", "images"),
)
SPLIT = Split(np.array([0, 1]), np.array([2]), np.array([3]))


def record(
    samples: Samples = SAMPLES, digests: tuple[int, ...] = (1, 2, 3, 4), fingerprint: str = "f"
) -> DataRecord:
    images = DecodedImages(np.zeros((4, 1, 2, 2), np.uint8), fingerprint, np.array(digests, np.uint64))
    return DataRecord.of(samples, images, SPLIT)


def text(before: DataRecord, after: DataRecord) -> str:
    return "\n".join(problem.describe() for problem in changes(before.rows(), after.rows()))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    ours = record()
    ours.write(tmp_path / "new")
    assert read_rows(tmp_path / "new" / ours.file_name) == ours.rows()
    assert ours.rows()["b, c.png"] == {
        "image": "b, c.png", "group": "1", "label": "images", "part": "pool", "content": f"{2:016x}",
    }  # fmt: skip


def test_a_record_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    record().write(tmp_path)
    (file,) = tmp_path.iterdir()
    before = file.stat().st_mtime_ns
    record().write(tmp_path)
    assert [path.stat().st_mtime_ns for path in tmp_path.iterdir()] == [before]


@pytest.mark.parametrize("content", [None, b"", b"no gzip"])
def test_without_a_readable_record_nothing_can_be_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "x").write_bytes(content)
    assert read_rows(tmp_path / "x") == {}


def test_of_a_record_with_a_bit_turned_over_nothing_can_be_named(tmp_path: Path) -> None:
    record().write(tmp_path)
    (file,) = tmp_path.iterdir()
    sound = file.read_bytes()
    for place in range(10, len(sound)):  # after the header, whose time of change is not looked at
        file.write_bytes(sound[:place] + bytes([sound[place] ^ 16]) + sound[place + 1 :])
        assert read_rows(file) in ({}, record().rows()), "its last byte has bits that say nothing"


@pytest.mark.parametrize(
    ("other", "aspects", "said"),
    [
        (record(replace(SAMPLES, classes=np.array([1, 1, 0, 1]))), ["labels"], "a.png: ok → images"),
        (record(replace(SAMPLES, class_names=("OK", "images"))), ["labels"], "ü.png: ok → OK"),
        (record(replace(SAMPLES, groups=("1", "1", "2", "4"))), ["groups"], "d.png: 3 → 4"),
        (record(digests=(1, 2, 9, 4), fingerprint="g"), ["fingerprint"], "show something else (1):\n  ü.png"),
        (record(fingerprint="g"), ["fingerprint"], "no image changed, but how they are decoded"),
    ],
)
def test_each_change_is_an_aspect_and_is_named(other: DataRecord, aspects: list[str], said: str) -> None:
    assert differing_aspects(record().aspects, other.aspects) == aspects
    assert said in text(record(), other)
    assert record().file_name != other.file_name


def test_images_that_come_and_go_and_move_are_named() -> None:
    renamed = record(replace(SAMPLES, names=("a.png", "b, c.png", "new.png", "d.png")))
    assert "gone (1):\n  ü.png" in text(record(), renamed)
    assert "new (1):\n  new.png" in text(record(), renamed)
    images = DecodedImages(np.zeros((4, 1, 2, 2), np.uint8), "f", np.arange(1, 5).astype(np.uint64))
    moved = DataRecord.of(SAMPLES, images, Split(np.array([0, 1, 3]), np.array([2]), np.array([], np.int64)))
    assert differing_aspects(record().aspects, moved.aspects) == ["parts"]
    assert "d.png: test → pool" in text(record(), moved)


def test_another_order_is_said() -> None:
    order = [3, 2, 1, 0]
    assert SAMPLES.classes is not None
    turned = Samples(
        tuple(SAMPLES.names[i] for i in order),
        tuple(SAMPLES.groups[i] for i in order),
        classes=SAMPLES.classes[order],
        class_names=SAMPLES.class_names,
    )
    images = DecodedImages(np.zeros((4, 1, 2, 2), np.uint8), "g", np.array([4, 3, 2, 1], np.uint64))
    split = Split(np.array([2, 3]), np.array([1]), np.array([0]))
    assert "another order" in text(record(), DataRecord.of(turned, images, split))


def test_a_status_of_an_earlier_version_is_compared_by_what_it_has() -> None:
    assert differing_aspects({"fingerprint": "f"}, record().aspects) == []
    assert differing_aspects({"fingerprint": "g"}, record().aspects) == ["fingerprint"]


def test_label_texts_of_labels() -> None:
    labels = np.array([[0, 0], [1, 0], [1, 1]], dtype=np.uint8)
    assert label_texts(Samples(("a", "b", "c"), ("1", "2", "3"), labels, ("gap", "x"))) == ("none", "gap", "gap+x")


def test_an_image_without_a_label_has_none_and_its_label_is_told_when_it_comes() -> None:
    without = replace(SAMPLES, classes=np.array([0, -1, 0, 1]), unlabelled=(1,))
    assert label_texts(without) == ("ok", "", "ok", "images")
    assert "have a label now, and had none (1):\n  b, c.png: images" in text(record(without), record())
    assert "have no label any more (1):\n  b, c.png: images" in text(record(), record(without))
    labels = replace(
        SAMPLES, classes=None, labels=np.zeros((4, 1), np.uint8), label_names=("gap",), unlabelled=(0,)
    )
    assert label_texts(labels) == ("", "none", "none", "none")


GIVEN = ("pool", "pool", "validation", "test")


def begun(samples: Samples) -> dict[str, str]:
    return {**record(samples).aspects, **record(samples).given_split}


def test_a_given_split_that_changed_is_named_image_by_image() -> None:
    given = replace(SAMPLES, parts=GIVEN)
    other = record(replace(SAMPLES, parts=("pool", "pool", "test", "validation")))
    rows = record(given).rows()
    assert given_split_changes(begun(given), record(given), rows) == []
    (problem,) = given_split_changes(begun(given), other, rows)
    assert problem.places == ("ü.png: validation → test", "d.png: test → validation")
    assert [problem.places for problem in given_split_changes(begun(given), other, {})] == [()]
    (gone,) = given_split_changes(begun(given), record(), rows)
    assert "is not any more" in gone.kind


def test_a_given_split_that_is_the_one_that_was_drawn_is_no_change() -> None:
    given = record(replace(SAMPLES, parts=GIVEN))
    assert given_split_changes(begun(SAMPLES), given, record().rows()) == []
    left_out = {name: {**row, "part": ""} for name, row in record().rows().items()}
    assert given_split_changes(begun(SAMPLES), given, left_out) == [], "a task has left them out"
    assert given_split_changes({"fingerprint": "f"}, given, {}) == [], "an earlier version did not record it"
