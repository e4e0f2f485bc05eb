"""Exports of Label Studio: JSON, JSON-MIN and CSV.

As its converter (label-studio-sdk 2.1.2) writes them: JSON has every annotation of a task, skipped ones as
``was_cancelled``; the two others have a row an annotation, leave skipped ones out, and have a row without an
annotation for tasks that nobody has opened. Several choices are a dictionary there, one is a text, none is nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from coilal.active.labels import NoLabel
from coilal.common.types import DataError, Problem
from coilal.labelling.formats.class_names import KnownClasses
from coilal.labelling.formats.image_names import KnownImages
from coilal.labelling.formats.label_studio import CHOICES, NAME_FIELD
from coilal.labelling.formats.label_studio_values import person, seconds, texts
from coilal.labelling.formats.rows import Said

_OF_A_ROW = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement", "history")
_USUAL = (CHOICES, "choice", "choices")
"""Names of choices that count before others."""

_FEW = 20  # rows from which the field of the images is told
_COCO = {"images", "annotations", "categories"}

Record = Mapping[str, Any]


def is_csv_export(table: pd.DataFrame) -> bool:
    """Return whether a table has the columns that Label Studio adds."""
    return {"annotator", "lead_time"} <= {*table.columns}


def of_csv(
    path: Path, table: pd.DataFrame, images: KnownImages, classes: KnownClasses
) -> tuple[list[Said], list[str]]:
    """Return what the rows of a CSV export say, and notes; see ``of_json``."""
    records = table.astype(object).to_dict("records")
    places = [f"line {line}" for line in table.index + 2]
    said = _of_records(path, [{str(k): v for k, v in each.items()} for each in records], places, images, classes)
    return said, [f"{path} is read as an export of Label Studio (CSV)."]


def of_json(path: Path, found: object, images: KnownImages, classes: KnownClasses) -> tuple[list[Said], list[str]]:
    """Return what the annotations in a JSON or JSON-MIN export say, and notes.

    Args:
        path: of the file, for messages.
        found: its content.
        images: that may be named.
        classes: that may be chosen.

    Raises:
        DataError: it is something else, which is said, or has no field with the answers.
    """
    if isinstance(found, dict) and {"data", "annotations"} <= set(found):
        found = [found]
    if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
        raise DataError([Problem(f"{path} {_looks_like(found)}")])
    if all(isinstance(each.get("data"), dict) for each in found):
        if not any({"annotations", "completions"} & set(each) for each in found):
            kind = "holds tasks for Label Studio without annotations; label them there, and export them as JSON"
            raise DataError([Problem(f"{path} {kind}")])
        return _of_tasks(path, found, images, classes), [f"{path} is read as an export of Label Studio (JSON)."]
    if not any("annotator" in each or "annotation_id" in each for each in found):
        raise DataError([Problem(f"{path} {_looks_like(found)}")])
    places = [f"task {each.get('id', number)}" for number, each in enumerate(found, start=1)]
    said = _of_records(path, found, places, images, classes)
    return said, [f"{path} is read as an export of Label Studio (JSON-MIN)."]


def _looks_like(found: object) -> str:
    if isinstance(found, dict) and set(found) >= _COCO:
        return "looks like annotations in COCO's format, which are not read as answers; give a table (CSV)"
    if isinstance(found, dict) and {"task", "result"} <= set(found):
        return (
            "looks like one annotation as Label Studio keeps it in a storage; export the project instead, as JSON"
        )
    keys: object = found[0] if isinstance(found, list) and found else found
    shown = f" with {', '.join(map(str, list(keys)[:8]))}" if isinstance(keys, dict) and keys else ""
    what = "a list" if isinstance(found, list) else "an object"
    return f"looks like JSON, {what}{shown}; give a table (CSV), or an export of Label Studio as JSON or JSON-MIN"


def _of_tasks(path: Path, tasks: Sequence[Record], images: KnownImages, classes: KnownClasses) -> list[Said]:
    """Return what each annotation says, and of each task without any that nobody has answered."""
    image = _image_field([task["data"] for task in tasks], images)
    choices: list[Mapping[str, tuple[str, ...]]] = []
    said = []
    by_number = []
    for number, task in enumerate(tasks, start=1):
        place = f"task {task.get('id', number)}"
        name = _image_of(task["data"], image)
        annotations = task.get("annotations", task.get("completions")) or []
        if not annotations:
            said.append(Said(place, name, None))
            choices.append({})
        for annotation in annotations:
            if not isinstance(annotation, dict):
                by_number.append(place)
                continue
            said.append(_of_annotation(place, name, annotation))
            choices.append(_choices_of(annotation))
    if by_number:
        kind = f"{path}: tasks with annotations that are not in the file; export the project as JSON, in full"
        raise DataError([Problem(kind, tuple(by_number))])
    field = _answer_field(path, choices, classes)
    return [
        replace(each, chosen=found.get(field, ())) if each.chosen == () else each
        for each, found in zip(said, choices, strict=True)
    ]


def _of_annotation(place: str, image: str, annotation: Record) -> Said:
    is_skipped = annotation.get("was_cancelled") or annotation.get("skipped")
    return Said(
        place=f"{place}, annotation {annotation['id']}" if "id" in annotation else place,
        image=image,
        chosen=NoLabel.SKIP if is_skipped else (),
        who=person(annotation.get("completed_by")),
        seconds=seconds(annotation.get("lead_time")),
    )


def _choices_of(annotation: Record) -> Mapping[str, tuple[str, ...]]:
    """Return the choices of an annotation by the name that they have in the interface."""
    found: dict[str, tuple[str, ...]] = {}
    for result in annotation.get("result") or []:
        value = result.get("value") or {}
        if "choices" in value:
            name = str(result.get("from_name", CHOICES))
            found[name] = (*found.get(name, ()), *texts(value))
    return found


def _of_records(
    path: Path,
    records: Sequence[Record],
    places: Sequence[str],
    images: KnownImages,
    classes: KnownClasses,
) -> list[Said]:
    image = _image_field(records, images)
    choices: list[Mapping[str, tuple[str, ...]]] = [
        {key: texts(value) for key, value in each.items() if key not in (*_OF_A_ROW, image, NAME_FIELD)}
        for each in records
    ]
    is_own = any(NAME_FIELD in each for each in records)  # where nobody chose anything, the field is not there
    field = CHOICES if is_own else _answer_field(path, choices, classes)
    said = []
    for place, each, found in zip(places, records, choices, strict=True):
        # A task that nobody has opened has a row as well: neither an annotation nor an annotator stands in it.
        is_answered = bool(found.get(field)) or any(
            each.get(key) not in (None, "", "None") for key in ("annotation_id", "annotator")
        )
        number = each.get("annotation_id")
        said.append(
            Said(
                place=f"{place}, annotation {number}" if number not in (None, "") else place,
                image=_image_of(each, image),
                chosen=found.get(field, ()) if is_answered else None,
                who=person(each.get("annotator")),
                seconds=seconds(each.get("lead_time")),
            )
        )
    return said


def _image_of(record: Record, field: str) -> str:
    return str(record.get(NAME_FIELD) or record.get(field) or "")


def _image_field(records: Sequence[Record], images: KnownImages) -> str:
    """Return the field of a task that names its image: the one in which most known images are found."""
    some = records[:_FEW]
    fields = list(dict.fromkeys(key for record in some for key in record if key not in _OF_A_ROW))
    fields.sort(key=lambda key: key not in ("image", "img", "image_url"))
    found = {key: sum(bool(images.find(str(record.get(key) or ""))) for record in some) for key in fields}
    return max(fields, key=lambda key: found[key], default="image")


def _answer_field(path: Path, choices: Sequence[Mapping[str, Sequence[str]]], classes: KnownClasses) -> str:
    """Return the name under which the answers stand.

    A usual name counts first, else the only field in which known classes stand.

    Raises:
        DataError: there are several, or none but others.
    """
    filled: dict[str, set[str]] = {}
    for each in choices:
        for name, chosen in each.items():
            if chosen:
                filled.setdefault(name, set()).update(chosen)
    usual = next((name for name in _USUAL if name in filled), None)
    if usual is not None or not filled:
        return usual or CHOICES
    fitting = [name for name, chosen in filled.items() if any(classes.find(text) for text in chosen)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting and len(filled) == 1:
        return next(iter(filled))
    kind = (
        f"{path}: it is not clear which choices are the answer: none is called {CHOICES}, and "
        f"{'several have' if fitting else 'none has'} one of {classes.listed()}; call the choices {CHOICES} in the "
        "labelling interface"
    )
    places = tuple(f"{name}: {', '.join(sorted(filled[name])[:5])}" for name in fitting or filled)
    raise DataError([Problem(kind, places)])
