"""Tasks for Label Studio: the images that are asked for, with the model's guesses, and the labelling interface."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from coilal.common.types import Kind
from coilal.labelling.formats.rows import Asked

LOCAL_FILES = "/data/local-files/?d="
"""What stands in front of images that Label Studio reads from its own disk."""

NAME_FIELD = "coilal_image"
"""Field of a task that keeps the image's name whatever becomes of its address."""

CHOICES = "label"
"""Name of the choices in the interface, under which exports have the answer."""

_UNSURE = "unsure"


def tasks(asked: Sequence[Asked], found_at: str = LOCAL_FILES, model_version: str = "coilal") -> str:
    """Return a JSON list of tasks, to be imported into a project with the interface of ``interface``.

    Args:
        asked: the images, in the order in which they are to be labelled.
        found_at: what stands in front of an image's name in its address. Label Studio serves files of its own disk
            as ``/data/local-files/?d=PATH``, PATH relative to LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT, once a local
            storage holds them; or a web address, or ``s3://BUCKET/FOLDER``.
        model_version: what the guesses are called.
    """
    front = found_at if found_at.endswith(("/", "=")) else f"{found_at}/"
    found = [_task(row, front, model_version) for row in asked]
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def _task(row: Asked, front: str, model_version: str) -> Mapping[str, Any]:
    # Buckets take names as they are; what is behind an address is decoded by whoever serves it.
    is_bucket = "://" in front and not front.startswith(("http://", "https://"))
    address = f"{front}{row.image if is_bucket else quote(row.image)}"
    data = {"image": address, NAME_FIELD: row.image, "group": row.group, "rank": row.rank}
    if row.guess is None:
        return {"data": data}
    chosen = [row.guess] if isinstance(row.guess, str) else list(row.guess)
    result = [{"from_name": CHOICES, "to_name": "image", "type": "choices", "value": {"choices": chosen}}]
    guess: dict[str, Any] = {"model_version": model_version, "result": result if chosen else []}
    if row.confidence is not None:
        guess["score"] = row.confidence
    return {"data": data, "predictions": [guess]}


def interface(kind: Kind, classes: Sequence[str]) -> str:
    """Return the labelling interface (XML) of a project: the image, the classes or labels, and ``unsure``.

    Args:
        kind: multiclass: one of them; multilabel: any number, also none.
        classes: names of the classes or labels.
    """
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", name="image", value="$image", zoom="true", zoomControl="true")
    is_single = kind == "multiclass"
    choices = ElementTree.SubElement(view, "Choices", name=CHOICES, toName="image")
    choices.set("choice", "single" if is_single else "multiple")
    choices.set("required", "true" if is_single else "false")
    for name in dict.fromkeys([*classes, _UNSURE]):
        ElementTree.SubElement(choices, "Choice", value=name)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"
