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
from coilal.run_directory.files import write_atomically

COLUMN_OF = {"fingerprint": "content", "labels": "label", "groups": "group", "parts": "part"}
"""What must be equal for two runs to have the same data, as status.json names it, and where a record says more."""

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
    """Return the class of each image or, where only labels are known, their names joined by ``+`` (N)."""
    if samples.classes is not None:
        return tuple(np.array(samples.class_names, dtype=object)[samples.classes].tolist())
    if samples.labels is None:
        return ("",) * len(samples)
    return tuple(joined(samples.label_names, row) for row in samples.labels.tolist())


def read_rows(path: Path) -> Rows:
    """Return the columns of a stored record by image name; {} if it is not there or damaged."""
    try:
        text = gzip.decompress(path.read_bytes()).decode("utf-8")
        return {row["image"]: row for row in csv.DictReader(io.StringIO(text, newline=""), strict=True)}
    except (OSError, EOFError, ValueError, KeyError, csv.Error):
        return {}  # what changed can then not be named, only that something did


def differing_aspects(begun: Mapping[str, Any], now: Mapping[str, str]) -> list[str]:
    """Return the aspects that differ between ``data`` of a status.json and those of now.

    Runs stored by earlier versions have the fingerprint only; the rest is compared by other means.
    """
    return [aspect for aspect, value in now.items() if aspect in begun and begun[aspect] != value]


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
        found[_WHAT[column]] = [
            name if column == "content" else f"{name}: {old or '(none)'} → {new or '(none)'}"
            for name, old, new in pairs
            if old != new
        ]
    problems = [Problem(kind, tuple(places)) for kind, places in found.items() if places]
    if problems:
        return problems
    if list(before) != list(after):
        return [Problem("the images are the same, in another order")]
    return [Problem("no image changed, but how they are decoded, or the list of classes or labels")]


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
