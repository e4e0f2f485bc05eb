"""The table that is filled in with a spreadsheet: written, and read back as people save it."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from coilal.active.labels import NoLabel, as_text
from coilal.common.types import DataError, Kind, Problem, UserError
from coilal.data.marks import read_marks
from coilal.data.spelling import spelled_alike
from coilal.labelling.formats.class_names import WITHOUT_LABEL
from coilal.labelling.formats.rows import Asked, Said

_ABOUT = ("image", "group", "rank", "score", "guess", "confidence")
_IMAGE, _LABEL, _UNSURE = ("image", "file", "filename", "file_name"), ("label", "class"), "unsure"
_SEPARATORS = (",", ";", "\t", "|")


def asked_sheet(asked: Sequence[Asked], kind: Kind, classes: Sequence[str], separator: str = ",") -> bytes:
    """Return a CSV with a row an image and cells to be filled in, in UTF-8 with the mark by which Excel knows it.

    Args:
        asked: the images, in the order in which they are to be labelled.
        kind: multiclass: the column ``label`` is for a class name; multilabel: a column a label for 0 and 1, and
            ``unsure``.
        classes: names of the classes or labels.
        separator: between the cells; a German Excel opens tables with ``;`` by a double click.

    Raises:
        UserError: a label that is called like another column.
    """
    empty = [_LABEL[0]] if kind == "multiclass" else [*classes, _UNSURE]
    taken = {spelled_alike(name) for name in (*_ABOUT, _UNSURE)}
    if kind == "multilabel" and (same := [name for name in classes if spelled_alike(name) in taken]):
        raise UserError(f"the table has a column {same[0]} already: give the label {same[0]} another name")
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=separator)
    writer.writerow([*_ABOUT, *empty])
    for row in asked:
        guess = "" if row.guess is None else as_text(row.guess)
        numbers = ["" if value is None else f"{value:.4g}" for value in (row.score, row.confidence)]
        writer.writerow([row.image, row.group, row.rank, numbers[0], guess, numbers[1], *("" for _ in empty)])
    return codecs.BOM_UTF8 + stream.getvalue().encode()


def separator_of(path: Path) -> str:
    """Return what stands between the cells of a table: what its first line has most of, outside of quotes."""
    with path.open("rb") as stream:
        content = stream.read(100_000)
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = content.decode("utf-16" if is_utf16 else "utf-8-sig", errors="replace")
    first = next((line for line in text.splitlines() if line.strip()), "")
    if first.strip('"').startswith("sep="):
        return _SEPARATORS[0]  # the reader of tables takes the one that this line names
    return max(_SEPARATORS, key=lambda separator: len(next(csv.reader([first], delimiter=separator))))


def read_sheet(path: Path, table: pd.DataFrame, kind: Kind, classes: Sequence[str]) -> tuple[list[Said], list[str]]:
    """Return what the rows of a table say, and notes on how it was read.

    Args:
        path: of the table, for messages.
        table: cells as text; row i of the index is line i + 2 of the file.
        kind: of the task.
        classes: names of the classes or labels.

    Raises:
        DataError: columns that are not there, cells that are neither 0 nor 1.
    """
    image = _column(table, _IMAGE)
    label = _column(table, _LABEL) if kind == "multiclass" else None
    columns = _label_columns(table, classes) if kind == "multilabel" else {}
    lacking = [name for name, column in columns.items() if column is None]
    lacking += [_IMAGE[0]] * (image is None) + [_LABEL[0]] * (kind == "multiclass" and label is None)
    if lacking or image is None:
        has = ", ".join(map(str, table.columns[:40]))
        kind_of = f"{path} looks like a table (CSV) without columns that are needed; it has {has}"
        raise DataError([Problem(kind_of, tuple(lacking))])
    if label is not None:
        chosen: list[tuple[str, ...] | NoLabel | None] = [(text,) if text else None for text in table[label]]
        notes: list[str] = []
    else:
        cells = pd.DataFrame({name: table[column] for name, column in columns.items()})
        unsure = None if _UNSURE in classes else _column(table, (_UNSURE,))
        chosen, notes = _marked(path, cells, None if unsure is None else table[unsure])
    said = [
        Said(f"line {line}", name, each)
        for line, name, each in zip(table.index + 2, table[image], chosen, strict=True)
    ]
    return said, notes


def _column(table: pd.DataFrame, names: Sequence[str]) -> str | None:
    """Return the first column of these names, exact spelling first."""
    there = [str(name) for name in table.columns]
    exact = next((name for name in names if name in there), None)
    if exact is not None:
        return exact
    wanted = [spelled_alike(name) for name in names]
    return next((column for name in wanted for column in there if spelled_alike(column) == name), None)


def _label_columns(table: pd.DataFrame, classes: Sequence[str]) -> dict[str, str | None]:
    """Return the column of each label; None where there is none, or only that of another label."""
    found = {name: _column(table, (name,)) for name in classes}
    return {name: None if column != name and column in classes else column for name, column in found.items()}


def _marked(
    path: Path, cells: pd.DataFrame, unsure: pd.Series | None
) -> tuple[list[tuple[str, ...] | NoLabel | None], list[str]]:
    """Return what was chosen in rows of 0 and 1, in whatever way it is written, and notes.

    A row without any mark has no answer; in one that has a mark, a blank means 0.

    Args:
        path: of the table, for messages.
        cells: text (N, L), a column a label.
        unsure: the column for those that cannot tell (N), or None.
    """
    small = cells.apply(lambda column: column.str.casefold())
    said = {text: small.eq(text).any(axis=1) for text in WITHOUT_LABEL}
    is_unsure = said["unsure"] | said["?"]
    if unsure is not None:
        doubts = unsure.mask(unsure.str.casefold().isin(("?", "unsure")), "1")
        is_unsure |= _read(path, doubts.to_frame(_UNSURE))[0][_UNSURE] == "1"
    is_answered = (cells != "").any(axis=1) & ~is_unsure & ~said["skip"]
    marks, notes = _read(path, cells[is_answered])
    blank = (marks == "").any(axis=1)
    if blank.any():
        notes.append(f"In {blank.sum()} rows some labels are marked and others blank: a blank means 0 there.")
    names = [str(name) for name in cells]
    chosen: dict[object, tuple[str, ...] | NoLabel] = {
        row: tuple(name for name, mark in zip(names, values, strict=True) if mark == "1")
        for row, values in zip(marks.index, marks.to_numpy().tolist(), strict=True)
    }
    chosen |= dict.fromkeys(cells.index[said["skip"]], NoLabel.SKIP)
    chosen |= dict.fromkeys(cells.index[is_unsure], NoLabel.UNSURE)
    return [chosen.get(row) for row in cells.index], notes


def _read(path: Path, cells: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return cells as ``0``, ``1`` and ``""``, and notes."""
    if cells.empty:
        return cells, []
    marks, problems, notes = read_marks(cells, ())
    if problems:
        kind = f"{path}: labels that are written in more than one way in a column; write 1 and 0"
        raise DataError([replace(problem, kind=kind) for problem in problems])
    wrong = tuple(
        f"line {line}: {column} is '{text}'"
        for column, values in marks.items()
        for line, text in zip(marks.index + 2, values, strict=True)
        if text not in ("0", "1", "")
    )
    if wrong:
        kind = f"{path}: labels that are neither 0 nor 1; write 1, 0, or leave the whole row empty"
        raise DataError([Problem(kind, wrong)])
    return marks, list(notes)
