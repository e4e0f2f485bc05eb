"""Finished labels as the folder tree that YOLO's classification reads."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from coilal.active.labels import as_text
from coilal.common import machine
from coilal.common.types import DataError, Kind, Problem, UserError
from coilal.labelling.formats.finished import new_folder
from coilal.labelling.formats.rows import Labelled

PARTS: Mapping[str, str] = {"pool": "train", "validation": "val", "test": "test"}
"""Part of the split → folder of the tree."""

_SUFFIXES = frozenset(
    [
        *(".avif", ".bmp", ".dng", ".heic", ".heif", ".jp2", ".jpeg", ".jpg"),
        *(".mpo", ".png", ".tif", ".tiff", ".webp"),
    ]
)
"""Names of images that Ultralytics reads (8.4); it passes over others."""


def write_yolo(
    out: Path, rows: Sequence[Labelled], kind: Kind, folder: Path, copy: bool = False
) -> tuple[str, ...]:
    """Write ``train``, ``val`` and ``test`` with a folder a class, completely or not at all.

    Images keep their names and folders below the folder of their class. Images without a fault are a class of
    their own, as they were labelled.

    Args:
        out: the folder, which must be empty or not there.
        rows: the images with their labels.
        kind: of the task.
        folder: that the names of images start from.
        copy: whether files are copied; else they are symbolic links.

    Returns:
        What a trainer stumbles over, one sentence each.

    Raises:
        UserError: a multilabel task, or the folder holds something, or the machine refuses it.
        DataError: classes that cannot be the name of a folder; files that are not there.
    """
    if kind == "multilabel":
        raise UserError(
            "YOLO's classification has one class an image, and here an image may have several labels: export them "
            "in COCO's format, or as a table."
        )
    _check(rows, folder)
    with new_folder(out) as partial:
        for row in rows:
            place = partial / PARTS[row.part] / as_text(row.label) / row.image
            place.parent.mkdir(parents=True, exist_ok=True)
            source = (folder / row.image).resolve()
            with machine.writing(place):
                if copy:
                    shutil.copyfile(source, place)
                else:
                    os.symlink(source, place)
    return _notes(rows)


def _check(rows: Sequence[Labelled], folder: Path) -> None:
    names = sorted({as_text(row.label) for row in rows})
    same: dict[str, list[str]] = {}
    for name in names:
        same.setdefault(name.casefold(), []).append(name)
    kinds = {
        "classes that cannot be the name of a folder, which is how YOLO reads them; give them other names": [
            name
            for name in names
            if name.startswith(".") or set(name) & set('/\\:*?"<>|') or name != name.strip(" .")
        ],
        "classes that are one folder on disks which do not tell upper from lower case; give them other names": [
            " and ".join(several) for several in same.values() if len(several) > 1
        ],
        f"images that are not in {folder}": [row.image for row in rows if not (folder / row.image).is_file()],
    }
    if problems := [Problem(kind, tuple(places)) for kind, places in kinds.items() if places]:
        raise DataError(problems)


def _notes(rows: Sequence[Labelled]) -> tuple[str, ...]:
    classes = {part: {as_text(row.label) for row in rows if row.part == part} for part in PARTS}
    every = set().union(*classes.values())
    notes = [
        f"{PARTS[part]} has no image of {', '.join(sorted(every - there))}: trainers that number the classes of "
        "each part by its folders would give the others wrong numbers there."
        for part, there in classes.items()
        if there and there != every
    ]
    if others := sorted({Path(row.image).suffix.lower() for row in rows} - _SUFFIXES):
        notes.append(f"Ultralytics passes over images of these kinds: {', '.join(others)}; save them as PNG.")
    if empty := [PARTS[part] for part in ("pool", "validation") if not classes[part]]:
        notes.append(f"There is no image for {' and '.join(empty)}, which a training looks for.")
    return tuple(notes)
