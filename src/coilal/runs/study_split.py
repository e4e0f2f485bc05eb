"""The splits of a study: each drawn once, kept beside its data records, the same for all of its runs."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from coilal.common.types import DataError, IntArray, Problem, Samples, UserError
from coilal.common.unreadable import UNREADABLE
from coilal.data.division import Division
from coilal.data.splits import PARTS
from coilal.data.stored_split import STORED_PARTS, StoredSplit
from coilal.run_directory.data_record import as_csv
from coilal.run_directory.files import write_atomically

COLUMNS = ("image", "group", "part")


def split_file(records: Path, division: Mapping[str, Any], number: int, data_set: Mapping[str, Any]) -> Path:
    """Return the file of a study's split.

    Args:
        records: the folder of the study's data records.
        division: ``data.split``; what is null there has no say.
        number: of the split.
        data_set: what makes it another data set, not an edited one; see ``DataSource.data_set``.
    """
    given = {name: value for name, value in division.items() if value is not None}
    text = json.dumps([given, number, dict(data_set)], sort_keys=True)
    return records / f"split-{hashlib.sha256(text.encode()).hexdigest()[:16]}.csv.gz"


def files_apart(
    records: Path, division: Mapping[str, Any], of: Division, data_set: Mapping[str, Any]
) -> dict[int, Path]:
    """Return the files of the splits that must not test a group that a split tests, by number, itself left out.

    Args:
        records: as ``division`` and ``data_set`` those of ``split_file``; a file need not be there.
        division: ``data.split``.
        of: the split.
        data_set: what makes it another data set.
    """
    numbers = (number for number in of.apart if number != of.number)
    return {number: split_file(records, division, number, data_set) for number in numbers}


def ensure_apart(files: Mapping[int, Path], division: Division, samples: Samples, part: IntArray) -> None:
    """Refuse to test what another split of the study tests, where each group is to be tested once.

    Splits are drawn from the data as they are at a launch: where these change between two launches, the folds of
    the second are others, and the values of an attribute have other numbers.

    Args:
        files: see ``files_apart``.
        division: the split.
        samples: names and groups (N images).
        part: part of each (N), a place in ``STORED_PARTS``.

    Raises:
        DataError: lists the groups, and the split that tests them.
        UserError: a stored split cannot be read.
    """
    is_tested = (part == PARTS.index("test")).tolist()
    images = {
        name: group for name, group, tests in zip(samples.names, samples.groups, is_tested, strict=True) if tests
    }
    found = {
        group: number
        for number, path in files.items()
        if path.exists()
        for group in sorted(_tested_too(path, images))
    }
    if not found:
        return
    how = f"data.split.by={division.by}" if division.by is not None else f"data.split.folds={division.folds}"
    numbers = ", ".join(map(str, sorted(set(found.values()))))
    kind = (
        f"groups that split {division.number} would test, though split {numbers} of this study tests them: with "
        f"{how} each group is tested once, and the data have changed since the study has drawn its first split "
        "(files or rows were added or removed, labels, groups or values edited). Bring the data back as they were, "
        "or give the changed data another study=…, with all splits"
    )
    raise DataError([Problem(kind, tuple(f"{group}: split {number}" for group, number in found.items()))])


def _tested_too(path: Path, images: Mapping[str, str]) -> set[str]:
    """Return the groups of images that are tested in a stored split, too.

    Names of images, which take longer to read than all else, are read where there are groups that it does not know:
    these may be known groups by another name.

    Args:
        path: its file.
        images: the group of each tested image.
    """
    try:
        stored = pd.read_csv(path, usecols=["group", "part"], dtype=str, na_filter=False)
        groups = set(images.values())
        both = groups & set(stored["group"][stored["part"] == "test"])
        if groups <= set(stored["group"]):
            return both
        stored = pd.read_csv(path, usecols=["image", "part"], dtype=str, na_filter=False)
    except UNREADABLE as error:
        raise UserError(_damage(path, f"{type(error).__name__}: {error}")) from error
    return both | {images[name] for name in stored["image"][stored["part"] == "test"] if name in images}


def read_split(path: Path) -> StoredSplit:
    """Return the stored split, an empty one if there is none.

    Raises:
        UserError: the file cannot be read as one.
    """
    try:
        text = gzip.decompress(path.read_bytes()).decode("utf-8")
        header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        if tuple(header) != COLUMNS:
            raise ValueError(f"its columns are {', '.join(header)}")
        stored = StoredSplit({image: (group, part) for image, group, part in rows})
    except FileNotFoundError:
        return StoredSplit()
    except UNREADABLE as error:
        raise UserError(_damage(path, f"{type(error).__name__}: {error}")) from error
    if unknown := {part for _, part in stored.rows.values() if part not in STORED_PARTS}:
        raise UserError(_damage(path, f"no part of a split: {', '.join(sorted(map(str, unknown)))}"))
    return stored


def keep_split(path: Path, samples: Samples, part: IntArray) -> None:
    """Add to a stored split where these images stand.

    No lock: of processes that draw at the same time each draws the same, and so it is with new groups.

    Args:
        path: its file, which need not be there.
        samples: names and groups (N images).
        part: part of each (N), a place in ``STORED_PARTS``.
    """
    known = read_split(path)
    extended = known.extended(samples, part)
    if len(extended.rows) > len(known.rows):
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = ((image, group, part) for image, (group, part) in extended.rows.items())
        write_atomically(path, as_csv(COLUMNS, rows))


def _damage(path: Path, reason: str) -> str:
    return (
        f"{path}, the split that this study has drawn, cannot be read ({reason}). Bring the file back from a copy, "
        "or give the run another study=…, which draws a split of its own."
    )
