"""Write rendered coil images with label tables in the real format.

``python -m coilal.render --out DIR [--coils 40 --images-per-coil 32 --seed 0 --format jpg|png]``
``python -m coilal.render --out DIR --table labels.csv [--limit N]`` renders pictures for a real label table.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coilal.cli import run_main
from coilal.data.files import CONTACT_SHEET
from coilal.data.renderer import (
    COMBINATIONS,
    HEIGHT,
    KINDS,
    WIDTH,
    RenderPlan,
    codes_of,
    photographs,
    plan,
    plan_for,
)
from coilal.data.sheet import Cell, contact_sheet
from coilal.machine import ensure_writable, writing
from coilal.types import DataError, Problem, UserError

LABEL_COLUMNS = ("1_Doppelwindung", "2_Luecke", "3_Kreuzung")
"""Columns of the real multilabel table, in the order of ``KINDS``."""

_SHEET_COILS = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and write the data set; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        pictures = _planned(options)
        ensure_writable(options.out, "Choose another --out.")
        _prepare(options.out, options.force)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        write(pictures, options.out, options.format)
    except UserError as error:  # the machine's: a full disk, …
        print(f"error: {error} It needs --force, because {options.out} holds a part now.", file=sys.stderr)
        return 2
    print(f"{len(pictures)} images, labels.csv, labels_multiclass.csv and {CONTACT_SHEET} in {options.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m coilal.render", description="Render wound-coil images.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--coils", type=int, default=40)
    parser.add_argument("--images-per-coil", type=int, default=32, help="a multiple of 4, up to 960")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", choices=("jpg", "png"), default="jpg")
    parser.add_argument("--table", type=Path, help="render pictures for this multilabel table")
    parser.add_argument("--limit", type=int, help="only the first rows of --table")
    parser.add_argument("--force", action="store_true", help="replace the content of a folder that is not empty")
    return parser


def _planned(options: argparse.Namespace) -> RenderPlan:
    if options.limit is not None and (options.table is None or options.limit < 1):
        raise UserError("--limit needs --table and a number of rows, 1 or more.")
    if options.table is None:
        return plan(options.coils, options.images_per_coil, options.seed)
    names, labels = read_table(options.table)
    return plan_for(names[: options.limit], labels[: options.limit], options.seed)


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


def _prepare(folder: Path, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; choose another --out.")
    if folder.exists() and any(folder.iterdir()):
        if not force:
            raise UserError(f"{folder} is not empty; choose another --out, or --force to replace its content.")
        shutil.rmtree(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)


def write(pictures: RenderPlan, folder: Path, suffix: str) -> None:
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


def _sheet_rows(pictures: RenderPlan) -> list[list[int]]:
    """Return for each combination that occurs the ids of one image from each of several coils."""
    codes = codes_of(pictures.labels)
    rows = []
    for code in range(len(COMBINATIONS)):
        ids = np.flatnonzero(codes == code)
        coils = np.unique(pictures.coils[ids])[:: max(1, len(np.unique(pictures.coils[ids])) // _SHEET_COILS)]
        found = [ids[pictures.coils[ids] == coil] for coil in coils[:_SHEET_COILS]]
        rows.append([int(of_coil[len(of_coil) // 2]) for of_coil in found])
    return [row for row in rows if row]


def _contact_sheet(pictures: RenderPlan, rows: list[list[int]], photos: dict[int, Image.Image]) -> Image.Image:
    """Return a sheet with one row for each combination of faults, each photo captioned."""
    return contact_sheet(
        [[Cell(photos[position], _caption(pictures, position)) for position in row] for row in rows],
        (WIDTH * 2 // 3, HEIGHT * 2 // 3),
    )


def _caption(pictures: RenderPlan, position: int) -> str:
    faults = [kind for kind, there in zip(KINDS, pictures.labels[position], strict=True) if there]
    return f"{Path(pictures.names[position]).stem}: {', '.join(faults) or 'no fault'}"


if __name__ == "__main__":
    run_main(main)
