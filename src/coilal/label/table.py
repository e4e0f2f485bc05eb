"""What was told, as a label table that ``data=coils`` reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coilal.active.labels import Label
from coilal.active.session import Session
from coilal.common.types import IntArray, Kind
from coilal.data.splits import PARTS
from coilal.label.images import Images
from coilal.run_directory.files import write_atomically
from coilal.run_directory.tables import as_csv


def labelled_rows(images: Images, audit: Session, pool: Session) -> list[tuple[str, str, Label, str]]:
    """Return name, group, label and part of each image that has a label, in the order of their names."""
    told: dict[int, Label] = {}
    for session in (audit, pool):
        told |= zip(*_plain(session.labelled), strict=True)
    told = {**images.known_by_table, **told}
    samples, part = images.samples, images.placed.part
    rows = [(samples.names[n], samples.groups[n], label, PARTS[part[n]]) for n, label in told.items()]
    return sorted(rows, key=lambda row: row[0])


def write_labels(path: Path, images: Images, classes: Sequence[str], audit: Session, pool: Session) -> None:
    """Write the label table; the audit set is its test part.

    Args:
        path: the file, which is replaced.
        images: what there is to label.
        classes: names of classes or labels.
        audit: has asked for the audit set.
        pool: has asked for what is learnt from.
    """
    rows = [_row(*each, classes, images.kind) for each in labelled_rows(images, audit, pool)]
    columns = ["image", *(["class"] if images.kind == "multiclass" else classes), "group", "split"]
    write_atomically(path, as_csv(rows, columns))


def _row(image: str, group: str, label: Label, part: str, classes: Sequence[str], kind: Kind) -> Mapping[str, Any]:
    marks: Mapping[str, Any] = {"class": label}
    if kind == "multilabel":
        marks = {name: int(name in label) for name in classes}
    return {"image": image, **marks, "group": group, "split": part}


def _plain(labelled: tuple[IntArray, list[Label]]) -> tuple[list[int], list[Label]]:
    ids, labels = labelled
    return ids.tolist(), labels
