"""Data that changed between two commands of one study; what is compared is what a run directory keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from coilal.common.types import DataError, DecodedImages, Samples, Split
from coilal.data.division import Division
from coilal.data.stored_split import StoredSplit, place
from coilal.run_directory.data_record import DataRecord
from coilal.runs.same_data import changed
from tests.inputs.case import Case

TITLE = "Data that changed"
PLACE = 50

DIVISION = Division(validation=0.25, test=0.25)
SAMPLES = Samples(
    names=tuple(f"i{number}.png" for number in range(8)),
    groups=tuple(f"coil{number}" for number in range(8)),
    classes=np.array([0, 1] * 4),
    class_names=("ok", "gap"),
)


def _record(samples: Samples, contents: int = 0) -> DataRecord:
    digests = np.array([int(name[1]) if name[1].isdigit() else 9 for name in samples.names], np.uint64)
    digests += np.uint64(contents)
    images = DecodedImages(np.zeros((len(samples), 1, 2, 2), np.uint8), f"{samples.names} {contents}", digests)
    third = len(samples) // 3
    ids = np.arange(len(samples))
    return DataRecord.of(samples, images, Split(ids[: -2 * third], ids[-2 * third : -third], ids[-third:]))


def _resumed(after: DataRecord) -> Callable[[Path], str]:
    """Return what compares them with the data that a run was begun with."""

    def try_it(folder: Path) -> str:
        before = _record(SAMPLES)
        before.write(folder)
        status = {"data": {**before.aspects, "record": before.file_name}}
        if problems := changed(status, after, folder):
            raise DataError(problems)
        return "the same"

    return try_it


def _placed(samples: Samples) -> Callable[[Path], str]:
    def try_it(_: Path) -> str:
        first = place(SAMPLES, DIVISION, StoredSplit())
        again = place(samples, DIVISION, StoredSplit().extended(SAMPLES, first.part))
        kept = again.part[: len(SAMPLES)].tolist() == first.part.tolist()
        return f"{'nothing moved' if kept else 'moved'}; {again.note}"

    return try_it


_MORE = Samples(
    names=(*SAMPLES.names, "new.png"),
    groups=(*SAMPLES.groups, "coil9"),
    classes=np.array([0, 1] * 4 + [0]),
    class_names=("ok", "gap"),
)
_TORN = replace(SAMPLES, groups=("one coil",) * 8)
_RELABELLED = replace(SAMPLES, classes=np.array([1, 1, *[0, 1] * 3]))

CASES = [
    Case(
        "the same images and labels, from another folder or spelling of it", "read", "", _resumed(_record(SAMPLES))
    ),
    Case(
        "a label corrected since a run was begun or finished",
        "refused",
        "i0.png: ok → gap",
        _resumed(_record(_RELABELLED)),
    ),
    Case(
        "images exported anew, with other pixels",
        "refused",
        "images that show something else (8)",
        _resumed(_record(SAMPLES, 5)),
    ),
    Case("images added since a run was begun", "refused", "images that are new (1)", _resumed(_record(_MORE))),
    Case(
        "an image regrouped",
        "refused",
        "i0.png: coil0 → coil1",
        _resumed(_record(replace(SAMPLES, groups=("coil1", *SAMPLES.groups[1:])))),
    ),
    Case(
        "labels corrected before a new run of the study: its split", "read", "nothing moved", _placed(_RELABELLED)
    ),
    Case(
        "images of new groups before a new run: the split",
        "read, with a line",
        "of 1 new groups, images went",
        _placed(_MORE),
    ),
    Case(
        "groups joined across parts of the study's split", "refused", "different parts of the split", _placed(_TORN)
    ),
]
