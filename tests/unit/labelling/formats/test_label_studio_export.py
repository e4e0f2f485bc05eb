from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as given_any
from hypothesis import strategies as st

from coilal.active.labels import NoLabel
from coilal.common.types import DataError, Kind
from coilal.labelling.formats.answers import Given, read
from coilal.labelling.formats.label_studio import tasks
from coilal.labelling.formats.rows import Asked

NAMES = [f"x/{letter}.png" for letter in "abcdefgh"]
CLASSES = ["ok", "dent", "gap"]


def result(*chosen: str, name: str = "label") -> dict[str, Any]:
    return {"from_name": name, "to_name": "image", "type": "choices", "value": {"choices": list(chosen)}}


def told(number: int, *results: dict[str, Any], who: Any = 1, **more: Any) -> dict[str, Any]:
    return {"id": number, "completed_by": who, "result": list(results), "was_cancelled": False, **more}


def task(letter: str, *annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    data = {"image": f"/data/upload/3/0a1b2c3d-{letter}.png"}
    return {"id": ord(letter) - 96, "data": data, "annotations": list(annotations), "drafts": [], **more}


def given(folder: Path, content: object, kind: Kind = "multilabel") -> Given:
    file = folder / "export.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return read(file, kind, CLASSES, NAMES)


def test_json_with_all_that_happens_to_a_task(tmp_path: Path) -> None:
    found = given(
        tmp_path,
        [
            task("a", told(1, result("gap", "dent"), lead_time=2.5, who={"id": 4, "email": "e@x"})),
            task("b", told(2, lead_time=1)),
            task("c", told(3, result("dent"), was_cancelled=True)),
            task("d", told(4, result("dent")), told(5, result("gap"), who=2)),
            task("e", told(6, result("dent"), lead_time=1.0), told(7, result("Dent"), who=2, lead_time=2.0)),
            task("f", predictions=[{"result": [result("dent")]}], drafts=[told(8, result("gap"))]),
            task("g", told(9, result("unsure", "gap"))),
            task("h", told(10, result("gap"), was_cancelled=True), told(11, result("ok"), who=2)),
        ],
    )
    assert found.answers == {
        "x/a.png": ("dent", "gap"),
        "x/b.png": (),
        "x/c.png": NoLabel.SKIP,
        "x/e.png": ("dent",),
        "x/g.png": NoLabel.UNSURE,
        "x/h.png": ("ok",),
    }
    assert found.skipped == ("x/c.png",)
    assert found.conflicts == ("x/d.png: dent (task 4, annotation 4, by 1) and gap (task 4, annotation 5, by 2)",)
    assert found.unanswered == ("x/f.png",)
    assert (found.who["x/a.png"], found.who["x/e.png"], found.who["x/h.png"]) == ("e@x", "1, 2", "2")
    assert found.seconds == {"x/a.png": 2.5, "x/b.png": 1.0, "x/e.png": 3.0}


def test_of_classes_an_empty_choice_is_no_answer(tmp_path: Path) -> None:
    found = given(tmp_path, [task("a", told(1)), task("b", told(2, result("ok")))], "multiclass")
    assert found.answers == {"x/b.png": "ok"}
    assert found.unanswered == ("x/a.png",)


def test_of_classes_two_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="task 1, annotation 1: ok, gap"):
        given(tmp_path, [task("a", told(1, result("gap", "ok")))], "multiclass")


MINIMAL = [
    ("dent", ("dent",)),
    (["gap", "dent"], ("dent", "gap")),
    ({"choices": ["dent", "gap"]}, ("dent", "gap")),
    ([{"choices": ["dent"]}, "gap"], ("dent", "gap")),
    ({"choices": []}, ()),
    (None, ()),
]


@pytest.mark.parametrize(("value", "answer"), MINIMAL)
def test_json_min_has_choices_in_several_forms(tmp_path: Path, value: Any, answer: tuple[str, ...]) -> None:
    about = {"annotator": 1, "annotation_id": 5, "lead_time": 3.5}
    rows = [
        {"id": 1, "image": "s3://bucket/x/a.png", **({} if value is None else {"choice": value}), **about},
        {"id": 2, "image": "s3://bucket/x/b.png", "choice": "ok", **about},
        {"id": 3, "image": "s3://bucket/x/c.png", "annotator": None, "annotation_id": None, "lead_time": None},
    ]
    found = given(tmp_path, rows)
    assert found.answers == {"x/a.png": answer, "x/b.png": ("ok",)}
    assert found.unanswered == ("x/c.png",)
    assert found.seconds == {"x/a.png": 3.5, "x/b.png": 3.5}


def test_a_csv_export_has_the_same_as_text(tmp_path: Path) -> None:
    stream = io.StringIO()
    names = ["annotation_id", "annotator", "fault", "group", "id", "image", "lead_time"]
    writer = csv.DictWriter(stream, names, quoting=csv.QUOTE_NONNUMERIC, restval="")
    writer.writeheader()
    for number, (letter, chosen) in enumerate([("a", "dent"), ("b", '{"choices": ["gap", "dent"]}'), ("c", "")], 1):
        image = f"/data/local-files/?d=coils/x/{letter}.png"
        about = {"id": number, "image": image, "group": "ok?", "annotation_id": number + 10, "annotator": "7"}
        writer.writerow({**about, "fault": chosen, "lead_time": 1.5})
    writer.writerow({"id": 4, "image": "/data/local-files/?d=coils/x/d.png", "group": "ok?"})
    file = tmp_path / "export.csv"
    file.write_text(stream.getvalue(), encoding="utf-8")
    found = read(file, "multilabel", CLASSES, NAMES)
    assert found.answers == {"x/a.png": ("dent",), "x/b.png": ("dent", "gap"), "x/c.png": ()}
    assert found.unanswered == ("x/d.png",)
    assert found.who == dict.fromkeys(found.answers, "7")


def test_the_name_that_coilal_gave_counts_before_the_address(tmp_path: Path) -> None:
    one = task("a", told(1, result("gap")))
    one["data"] = {"image": "https://host/files/17", "coilal_image": "x/b.png"}
    assert given(tmp_path, [one]).answers == {"x/b.png": ("gap",)}
    row = {"image": "https://host/17", "coilal_image": "x/b.png", "rank": 1, "annotator": 1, "annotation_id": 2}
    assert given(tmp_path, [row]).answers == {"x/b.png": ()}  # nothing chosen: the field is not there


def test_the_image_may_stand_under_any_name(tmp_path: Path) -> None:
    one = task("a", told(1, result("gap")))
    one["data"] = {"text": "a coil", "photo": "x/b.png"}
    assert given(tmp_path, [one]).answers == {"x/b.png": ("gap",)}


def test_of_several_choices_the_one_with_known_classes_counts(tmp_path: Path) -> None:
    both = task("a", told(1, result("gap", name="fault"), result("blurred", name="quality")))
    assert given(tmp_path, [both]).answers == {"x/a.png": ("gap",)}
    unclear = task("a", told(1, result("gap", name="fault"), result("ok", name="quality")))
    with pytest.raises(DataError, match="quality: ok"):
        given(tmp_path, [unclear])


def test_annotations_by_number_only_are_refused(tmp_path: Path) -> None:
    light = {"id": 8, "data": {"image": "x/a.png"}, "annotations": [12]}
    with pytest.raises(DataError, match="task 8"):
        given(tmp_path, [light])


def test_unknown_classes_and_images_are_refused_with_their_tasks(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        given(tmp_path, [task("a", told(3, result("dint"))), task("z", told(4, result("gap")))])
    assert "task 1, annotation 3: dint (the nearest is dent)" in str(caught.value)
    assert "task 26, annotation 4: /data/upload/3/0a1b2c3d-z.png" in str(caught.value)


def test_a_single_task_is_read_as_well(tmp_path: Path) -> None:
    assert given(tmp_path, task("a", told(1, result("gap")))).answers == {"x/a.png": ("gap",)}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given_any(
    st.dictionaries(st.sampled_from(NAMES), st.none() | st.lists(st.sampled_from(CLASSES), unique=True), min_size=1)
)
def test_tasks_that_are_written_come_back_with_what_was_chosen(
    tmp_path: Path, chosen: dict[str, list[str] | None]
) -> None:
    asked = [Asked(name, "7", rank, guess=("gap",)) for rank, name in enumerate(chosen, start=1)]
    labelled = []
    for number, (each, choice) in enumerate(zip(json.loads(tasks(asked)), chosen.values(), strict=True)):
        results = [result(*choice)] if choice else []
        labelled.append({**each, "id": number, "annotations": [] if choice is None else [told(number, *results)]})
    found = given(tmp_path, labelled)
    told_of = {name: choice for name, choice in chosen.items() if choice is not None}
    assert found.answers == {
        name: tuple(label for label in CLASSES if label in choice) for name, choice in told_of.items()
    }
    assert set(found.unanswered) == set(chosen) - set(told_of)
