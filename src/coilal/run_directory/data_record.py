"""What a run's data are, image by image: kept with the study, so that what changed since can be named."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from coilal.common.types import DecodedImages, Problem, Samples, Split, joined
from coilal.common.unreadable import UNREADABLE
from coilal.run_directory.files import write_atomically

COLUMN_OF = {"fingerprint": "content", "labels": "label", "groups": "group", "parts": "part"}
"""What must be equal for two runs to have the same data, as status.json names it, and where a record says more."""

GIVEN_SPLIT = "given_split"
"""What status.json has besides, where the data give the split: a digest of the part of each image."""

COLUMNS = ("image", "group", "label", "part", "content")

Rows = Mapping[str, Mapping[str, str]]
"""Columns of a record by image name."""


@dataclass(frozen=True)
class DataRecord:
    """Images, labels, groups and parts of a run.

    Attributes:
        names: image names in id order (N).
        groups: group of each image (N).
        labels: class of each image or, where only labels are known, their names joined by ``+`` (N).
        parts: pool, validation, test, or "" for an image that the task leaves out (N).
        given_parts: the same as the data give them, of all images (N); () where they do not.
        contents: hash of what each image shows, in hexadecimal digits (N).
        label_names: names of classes or labels, in order.
        fingerprint: digest of the decoded images.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    labels: tuple[str, ...]
    parts: tuple[str, ...]
    contents: tuple[str, ...]
    label_names: tuple[str, ...]
    fingerprint: str
    given_parts: tuple[str, ...] = ()

    @classmethod
    def of(cls, samples: Samples, images: DecodedImages | None, split: Split | None) -> DataRecord:
        """Return the record of a data set; without images there is no content, without a split no part."""
        parts = np.full(len(samples), "", dtype=object)
        for name, ids in split.parts() if split else ():
            parts[ids] = name
        return cls(
            samples.names,
            samples.groups,
            label_texts(samples),
            tuple(parts.tolist()),
            tuple(f"{digest:016x}" for digest in images.digests.tolist()) if images else ("",) * len(samples),
            samples.class_names if samples.classes is not None else samples.label_names,
            images.fingerprint if images else "",
            samples.parts or (),
        )

    @cached_property
    def aspects(self) -> Mapping[str, str]:
        """One digest for each of ``COLUMN_OF`` that is known."""
        digests = {
            "fingerprint": self.fingerprint,
            "labels": _digest([*self.label_names, "", *self.labels]),
            "groups": _digest(self.groups),
            "parts": _digest(self.parts) if any(self.parts) else "",
        }
        return {aspect: digest for aspect, digest in digests.items() if digest}

    @cached_property
    def given_split(self) -> Mapping[str, str]:
        """The entry ``GIVEN_SPLIT`` of status.json, {} where the data give no split."""
        return {GIVEN_SPLIT: _digest(self.given_parts)} if self.given_parts else {}

    @cached_property
    def file_name(self) -> str:
        """The name of its file, a digest of it."""
        return f"images-{_digest(list(self.aspects.values()))}.csv.gz"

    def write(self, folder: Path) -> None:
        """Keep the record in a folder, unless it is there."""
        path = folder / self.file_name
        if path.exists():
            return
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, as_csv(COLUMNS, self._table()))

    def rows(self) -> Rows:
        """Return what ``read_rows`` returns of the written record."""
        return {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in self._table()}

    def _table(self) -> Iterator[tuple[str, ...]]:
        return zip(self.names, self.groups, self.labels, self.parts, self.contents, strict=True)


def label_texts(samples: Samples) -> tuple[str, ...]:
    """Return the class of each image or, where only labels are known, their names joined by ``+`` (N).

    An image without a label has the text "".
    """
    if samples.classes is not None:
        texts = np.array([*samples.class_names, ""], dtype=object)[samples.classes].tolist()  # -1 is the last
    elif samples.labels is not None:
        texts = [joined(samples.label_names, row) for row in samples.labels.tolist()]
    else:
        texts = [""] * len(samples)
    known = samples.is_labelled.tolist()
    return tuple(text if is_known else "" for text, is_known in zip(texts, known, strict=True))


def read_rows(path: Path) -> Rows:
    """Return the columns of a stored record by image name; {} if it is not there or damaged."""
    try:
        text = gzip.decompress(path.read_bytes()).decode("utf-8")
        return {row["image"]: row for row in csv.DictReader(io.StringIO(text, newline=""), strict=True)}
    except UNREADABLE:
        return {}  # what changed can then not be named, only that something did


def differing_aspects(begun: Mapping[str, Any], now: Mapping[str, str]) -> list[str]:
    """Return the aspects that differ between ``data`` of a status.json and those of now.

    Runs stored by earlier versions have the fingerprint only; the rest is compared by other means.
    """
    return [aspect for aspect, value in now.items() if aspect in begun and begun[aspect] != value]


def given_split_changes(begun: Mapping[str, Any], now: DataRecord, before: Rows) -> list[Problem]:
    """Return what differs between the split of a run and the one that its data give now, before a task is known.

    Args:
        begun: ``data`` of its status.json.
        now: the data now.
        before: its stored record, {} where it is lost.
    """
    if "parts" not in begun or begun.get(GIVEN_SPLIT) == now.given_split.get(GIVEN_SPLIT):
        return []
    if not now.given_parts:
        return [Problem("the split was given by the data, and is not any more")]
    moved = [
        f"{name}: {before[name]['part']} → {part}"
        for name, part in zip(now.names, now.given_parts, strict=True)
        if name in before and before[name]["part"] not in ("", part)
    ]
    kind = (
        "images that the data put in another part of the split (data.source.split_column=null, or "
        "data.source.split_folders=false draws one)"
    )
    return [Problem(kind, tuple(moved))] if moved or not before else []


_LABELLED_SINCE, _LABEL_GONE = "images that have a label now, and had none", "images that have no label any more"
_WHAT = {
    "content": "images that show something else",
    "label": "labels that changed",
    "group": "groups that changed",
    "part": "images that moved to another part of the split",
}


def changes(before: Rows, after: Rows, columns: Sequence[str] = COLUMNS[1:]) -> list[Problem]:
    """Return what differs between two records that are known to differ, image by image.

    Args:
        before: columns by image name.
        after: the same, later.
        columns: those that are compared.
    """
    both = [name for name in before if name in after]
    found = {
        "images that are gone": [name for name in before if name not in after],
        "images that are new": [name for name in after if name not in before],
    }
    for column in columns:
        pairs = ((name, before[name][column], after[name][column]) for name in both)
        found |= _changed_cells(column, [pair for pair in pairs if pair[1] != pair[2]])
    problems = [Problem(kind, tuple(places)) for kind, places in found.items() if places]
    if problems:
        return problems
    if list(before) != list(after):
        return [Problem("the images are the same, in another order")]
    return [Problem("no image changed, but how they are decoded, or the list of classes or labels")]


def _changed_cells(column: str, pairs: Sequence[tuple[str, str, str]]) -> dict[str, list[str]]:
    """Return the images of which a column differs (name, before, after), by what that means."""
    if column == "content":
        return {_WHAT[column]: [name for name, _, _ in pairs]}
    if column != "label":
        return {_WHAT[column]: [f"{name}: {old or '(none)'} → {new or '(none)'}" for name, old, new in pairs]}
    return {
        _LABELLED_SINCE: [f"{name}: {new}" for name, old, new in pairs if not old],
        _LABEL_GONE: [f"{name}: {old}" for name, old, new in pairs if not new],
        _WHAT[column]: [f"{name}: {old} → {new}" for name, old, new in pairs if old and new],
    }


def as_csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """Return a compressed table (csv.gz), the same bytes for the same content."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return gzip.compress(text.getvalue().encode("utf-8"), compresslevel=3, mtime=0)


def _digest(texts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        encoded = text.encode("utf-8")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()[:16]
