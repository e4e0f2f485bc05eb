"""Finished labels as one JSON file in COCO's format."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from coilal.common.types import DataError, Problem
from coilal.data.headers import Headers, read_headers
from coilal.labelling.formats.finished import write_new
from coilal.labelling.formats.rows import Labelled


def write_coco(path: Path, rows: Sequence[Labelled], classes: Sequence[str], folder: Path) -> None:
    """Write images, categories and annotations; nothing if a size cannot be read.

    COCO knows objects, and has no form of its own for labels of whole images. An annotation has ``image_id`` and
    ``category_id`` only, as Datumaro's ``coco_labels`` and the image-level labels of other tools have it: no box is
    made up, since a box around the whole image would train a detector wrongly. pycocotools loads such a file; what
    it selects by area or ``iscrowd`` needs objects. Images without a label (fault) are listed and have no
    annotation; the fault-free class of a multiclass task is a category like the others. Sizes are those of the
    images as they are shown, turned by their EXIF orientation. ``group`` and ``part`` of an image are additions,
    which tools pass over.

    Args:
        path: the file, which must not be there yet.
        rows: the images with their labels.
        classes: names of the classes or labels, numbered from 1 in this order.
        folder: that the names of images start from.

    Raises:
        DataError: images that cannot be read, all listed.
        UserError: the file is there already, or the machine refuses it.
    """
    headers = _headers(folder, [row.image for row in rows])
    category_of = {name: number for number, name in enumerate(classes, start=1)}
    shown = [
        (image, category_of[name])
        for image, row in enumerate(rows, start=1)
        for name in ((row.label,) if isinstance(row.label, str) else row.label)
    ]
    coco = {
        "info": {"description": "labels of whole images, without boxes, from coilal"},
        "images": [_image(i, row, header) for i, (row, header) in enumerate(zip(rows, headers, strict=True), 1)],
        "categories": [{"id": number, "name": name, "supercategory": ""} for name, number in category_of.items()],
        "annotations": [
            {"id": number, "image_id": image, "category_id": category}
            for number, (image, category) in enumerate(shown, start=1)
        ],
    }
    write_new(path, json.dumps(coco, indent=1, ensure_ascii=False) + "\n")


def _image(number: int, row: Labelled, header: Any) -> Mapping[str, Any]:
    size = {"width": int(header["width"]), "height": int(header["height"])}
    return {"id": number, "file_name": row.image, **size, "group": row.group, "part": row.part}


def _headers(folder: Path, names: Sequence[str]) -> Headers:
    headers = np.concatenate([*read_headers(folder, names, None)]) if names else np.empty(0)
    closed = tuple(name for name, header in zip(names, headers, strict=True) if not header["type"])
    if closed:
        raise DataError([Problem(f"images in {folder} that cannot be opened, so that nothing is written", closed)])
    return headers
