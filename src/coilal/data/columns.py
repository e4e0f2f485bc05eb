"""Which column of a label table is what: the settings laid beside the columns that are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import pandas as pd

from coilal.common.types import Problem
from coilal.data.given_split import part_named
from coilal.data.spelling import as_tuple, meant, spelled_alike, unclear

Setting = str | float | Sequence[str | float] | None
"""A column that must be there, or several of which the first that is there counts, or none.

A name that is a number may come as one: the command line makes a number of ``1``."""


@dataclass(frozen=True)
class ColumnSettings:
    """Names of columns, as set by the user; see ``conf/data/coils.yaml``."""

    image: Setting
    classes: Setting
    labels: Setting
    ignored: Setting
    group: Setting
    doubt: Setting
    split: Setting = None
    attribute: str | None = None


@dataclass(frozen=True)
class Columns:
    """What each column of a table is.

    Attributes:
        image: file names.
        classes: one class a row, or None where ``labels`` are used.
        labels: 0/1 columns, () where ``classes`` is used.
        group: unit that must not be split, or None.
        doubt: the annotator's doubts, or None.
        split: part of the split, or None where it is drawn.
        attribute: what else is to be known of each row, or None.
        unused: columns that could be labels but are not used, because there is a class column.
    """

    image: str
    classes: str | None
    labels: tuple[str, ...]
    group: str | None
    doubt: str | None
    split: str | None
    unused: tuple[str, ...]
    attribute: str | None = None


SET_BY = {"attribute_column": "data.split.by"}
"""What a user gives in place of a setting of the source."""


@dataclass
class _Header:
    """The columns of a table, and what settings ask for in vain."""

    there: Sequence[str]
    missing: list[str] = field(default_factory=list)

    def first(self, key: str, setting: Setting) -> str | None:
        """Return the first column that a setting names; a column that must be there is missing otherwise."""
        names = as_tuple(setting)
        exact = (self._one(key, name, meant(name, self.there)) for name in names)
        alike = (self._one(key, name, self._alike(name)) for name in names)
        found = next((name for name in chain(exact, alike) if name is not None), None)
        if found is None and names and not isinstance(setting, list | tuple):
            self.missing.append(f"{SET_BY.get(key, f'data.source.{key}')}={setting}")
        return found

    def all(self, key: str, setting: object, needed: bool) -> tuple[str, ...]:
        """Return all columns that a setting names; those that are not there are missing if they are needed."""
        found = []
        for name in as_tuple(setting):
            column = self._one(key, name, meant(name, self.there) or self._alike(name))
            if column is not None:
                found.append(column)
            elif needed:
                self.missing.append(f"data.source.{key}={name}")
        return tuple(found)

    def _alike(self, name: object) -> tuple[str, ...]:
        return tuple(column for column in self.there if spelled_alike(column) == spelled_alike(str(name)))

    def _one(self, key: str, name: object, found: tuple[str, ...]) -> str | None:
        if len(found) > 1:
            message = unclear(f"data.source.{key}", name, found)
            if message not in self.missing:
                self.missing.append(message)
        return found[0] if found else None


def columns_of(
    table: pd.DataFrame, settings: ColumnSettings
) -> tuple[Columns | None, list[Problem], tuple[str, ...]]:
    """Return what each column of a table is, with problems and notes; see ``assign_columns``.

    A column that has a usual name of a split, and names no part, gives none. Where the split is drawn all the same,
    columns of parts are no labels.
    """
    there = list(table.columns)
    if settings.split is None:
        of_parts = [name for name in there if len(table) and table[name].map(part_named).all()]
        ignored = [*map(str, as_tuple(settings.ignored)), *of_parts]
        return *assign_columns(replace(settings, ignored=ignored), there), ()
    columns, problems = assign_columns(settings, there)
    is_usual = isinstance(settings.split, list | tuple)
    if columns is None or columns.split is None or not is_usual or table[columns.split].map(part_named).any():
        return columns, problems, ()
    note = (
        f"Column {columns.split} gives no split, as none of its values is pool, validation or test: it is read "
        "like the other columns."
    )
    return *assign_columns(replace(settings, split=None), there), (note,)


def assign_columns(settings: ColumnSettings, there: Sequence[str]) -> tuple[Columns | None, list[Problem]]:
    """Return what each column is; None and the problems if a column that is asked for is not there.

    A column may be spelled otherwise than in the settings (Label for label) if only one is.
    """
    header = _Header(there)
    image = header.first("image_column", settings.image)
    named = header.all("label_columns", settings.labels, needed=True)
    classes = None if named else header.first("class_column", settings.classes)
    group, doubt = header.first("group_column", settings.group), header.first("doubt_column", settings.doubt)
    ignored = header.all("ignored_columns", settings.ignored, needed=False)
    taken = {image, classes, group, doubt, *named, *ignored}
    attribute = header.first("attribute_column", settings.attribute)
    taken.add(attribute)
    split = header.first("split_column", settings.split)
    if isinstance(settings.split, list | tuple) and split in taken:
        split = None  # its name is only one of the usual ones
    missing = header.missing
    if image is None and (settings.image is None or isinstance(settings.image, list | tuple)):
        none_of = ", ".join(map(str, as_tuple(settings.image))) or "(nothing set)"
        missing.append(f"data.source.image_column: none of {none_of}")
    left_over = tuple(
        name for name in there if name not in {image, classes, group, doubt, split, attribute, *ignored}
    )
    labels = () if classes is not None else named or left_over
    if classes is None and not labels:
        missing.append("labels: neither a class column nor a column that is left over")
    if missing or image is None:
        kind = f"columns that the table does not have, or has more than once; it has {_shortened(there)}"
        return None, [Problem(kind, tuple(missing))]
    unused = tuple(name for name in left_over if name not in labels)
    return Columns(image, classes, labels, group, doubt, split, unused, attribute), []


def _shortened(names: Sequence[str], most: int = 40) -> str:
    """Return names for a message; a file that is no table has columns without end."""
    some = [name if len(name) <= most else f"{name[:most]}…" for name in names[:most]]
    return ", ".join(some) + (f" and {len(names) - most} more" if len(names) > most else "")
