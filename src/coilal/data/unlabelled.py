"""Rows of a table, and images beside it, that have no label."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from coilal.common.choices import chosen
from coilal.common.types import DataError, Problem, Samples
from coilal.data.columns import Columns
from coilal.data.files import CONTACT_SHEET
from coilal.data.groups import groups_from_names
from coilal.data.listing import look_through

Unlabelled = Literal["drop", "error", "pool"]
"""What becomes of images without a label: left out, refused, or kept for the pool."""


def check_unlabelled(value: str) -> Unlabelled:
    """Return the setting ``unlabelled``.

    Raises:
        UserError: it is none of its choices.
    """
    return chosen("data.source.unlabelled", value, get_args(Unlabelled))


def unclear_rows(
    cells: pd.DataFrame, read: pd.DataFrame, places: pd.Series, no_value: Collection[str]
) -> list[Problem]:
    """Return the problem of blank rows in columns where a blank means 0: no fault, or no label?

    Args:
        cells: text of the label columns (N, L).
        read: the same as ``0``, ``1`` and ``""`` (N, L).
        places: where each row stands (N).
        no_value: texts, small, that mean that there is no value.
    """
    blank = cells.apply(lambda column: column.str.casefold().isin({"", *no_value} - {"-"})).all(axis=1)
    unclear = blank & (read == "0").all(axis=1)
    kind = (
        "rows without any mark in a table where a blank means 0: with data.source.unlabelled=pool they could be "
        "without a fault or without a label; write 0 where there is no fault, or set data.source.unlabelled=drop"
    )
    return [Problem(kind, tuple(places[unclear]))] if unclear.any() and len(cells.columns) else []


def with_images(
    table: pd.DataFrame, unnamed: Sequence[str], columns: Columns
) -> tuple[pd.DataFrame, list[Problem]]:
    """Return a table with rows for images that it does not name; their label is empty, their part the pool.

    Where a column gives the groups they have none, and are refused: they may show what is tested.

    Args:
        table: the rows that are kept.
        unnamed: names of the images.
        columns: what its columns are.
    """
    if columns.group is not None:
        kind = (
            f"images that the table does not name, and which have no group in column {columns.group} therefore "
            "(it may be one that is tested); add rows for them with an empty label, or move them elsewhere"
        )
        return table, [Problem(kind, tuple(unnamed))]
    rows = pd.DataFrame({columns.image: unnamed, "_place": unnamed}).reindex(columns=table.columns, fill_value="")
    if columns.split is not None:
        rows[columns.split] = "pool"
    return pd.concat([table, rows], ignore_index=True), []


def unlabelled_images(folder: Path, group_pattern: str | None) -> Samples:
    """Return the images of a folder without a table: none of them has a label.

    Args:
        folder: of the images.
        group_pattern: see ``coilal.data.groups.groups_from_names``.

    Raises:
        DataError: there is no image, or one without a group.
    """
    listing = look_through(folder)
    names = tuple(name for name in listing.images if name != CONTACT_SHEET)
    groups, note, problems = groups_from_names(names, names, group_pattern)
    if not names:
        problems.append(Problem(f"there is neither a label table nor an image in {folder}"))
    if problems:
        raise DataError(problems)
    told = f"There is no label table: none of the {len(names)} images in {folder} has a label."
    return Samples(names, groups, notes=(told, note, *listing.notes), unlabelled=tuple(range(len(names))))
