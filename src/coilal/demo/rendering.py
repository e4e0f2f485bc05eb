"""Writing rendered coil images with label tables in the real format."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coilal.common.machine import writing
from coilal.common.types import DataError, Problem, UserError
from coilal.data.files import CONTACT_SHEET
from coilal.data.sheet import Cell, contact_sheet
from coilal.demo.renderer import (
    COMBINATIONS,
    HEIGHT,
    KINDS,
    WIDTH,
    Catalogue,
    codes_of,
    photographs,
)

LABEL_COLUMNS = ("1_Doppelwindung", "2_Luecke", "3_Kreuzung")
"""Columns of the real multilabel table, in the order of ``KINDS``."""

_SHEET_COILS = 4


def read_table(path: Path) -> tuple[list[str], NDArray[np.uint8]]:
    """Return image names (N) and 0/1 labels (N, 3) of a table in the real multilabel format.

    Raises:
        UserError: the file is missing or lacks a column.
        DataError: rows whose labels are not 0 or 1.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = {"Image", *LABEL_COLUMNS} - set(reader.fieldnames or ())
            rows = list(reader)
    except OSError as error:
        raise UserError(f"cannot read the table {path}: {error.strerror}.") from error
    if missing:
        raise UserError(f"the table {path} lacks the columns {', '.join(sorted(missing))}.")
    bad = tuple(row["Image"] for row in rows if any(row[column] not in ("0", "1") for column in LABEL_COLUMNS))
    if bad:
        raise DataError([Problem(f"labels in {path} that are not 0 or 1", bad)])
    if not rows:
        raise UserError(f"the table {path} has no rows.")
    labels = np.array([[int(row[column]) for column in LABEL_COLUMNS] for row in rows], np.uint8)
    return [row["Image"] for row in rows], labels


def write(pictures: Catalogue, folder: Path, suffix: str) -> None:
    """Write images, both label tables and the contact sheet into an existing folder."""
    names = [f"{Path(name).stem}.{suffix}" for name in pictures.names]
    shown_photos: dict[int, Image.Image] = {}
    on_sheet = _sheet_rows(pictures)
    shown = {position for row in on_sheet for position in row}
    for position, photo in enumerate(photographs(pictures, range(len(pictures)))):
        image = Image.fromarray(photo)
        with writing(folder / names[position]):
            image.save(folder / names[position], quality=95)
        if position in shown:
            shown_photos[position] = image
    with writing(folder):
        _write_tables(names, pictures.labels, folder)
        _contact_sheet(pictures, on_sheet, shown_photos).save(folder / CONTACT_SHEET)


def _write_tables(names: Sequence[str], labels: NDArray[np.uint8], folder: Path) -> None:
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["Image", "0_inOrdnung", *LABEL_COLUMNS])  # despite its name, 1 means faulty
        table.writerows([name, int(row.any()), *row.tolist()] for name, row in zip(names, labels, strict=True))
    with (folder / "labels_multiclass.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["", "Image", "Quality_Binary", "Error_Multi", "Problem"])
        codes = codes_of(labels).tolist()
        table.writerows(
            [k, name, int(c > 0), float(c), ""] for k, (name, c) in enumerate(zip(names, codes, strict=True))
        )


def _sheet_rows(pictures: Catalogue) -> list[list[int]]:
    """Return for each combination that occurs the ids of one image from each of several coils."""
    codes = codes_of(pictures.labels)
    rows = []
    for code in range(len(COMBINATIONS)):
        ids = np.flatnonzero(codes == code)
        coils = np.unique(pictures.coils[ids])[:: max(1, len(np.unique(pictures.coils[ids])) // _SHEET_COILS)]
        found = [ids[pictures.coils[ids] == coil] for coil in coils[:_SHEET_COILS]]
        rows.append([int(of_coil[len(of_coil) // 2]) for of_coil in found])
    return [row for row in rows if row]


def _contact_sheet(pictures: Catalogue, rows: list[list[int]], photos: dict[int, Image.Image]) -> Image.Image:
    """Return a sheet with one row for each combination of faults, each photo captioned."""
    return contact_sheet(
        [[Cell(photos[position], _caption(pictures, position)) for position in row] for row in rows],
        (WIDTH * 2 // 3, HEIGHT * 2 // 3),
    )


def _caption(pictures: Catalogue, position: int) -> str:
    faults = [kind for kind, there in zip(KINDS, pictures.labels[position], strict=True) if there]
    return f"{Path(pictures.names[position]).stem}: {', '.join(faults) or 'no fault'}"
