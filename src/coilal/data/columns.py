"""Which column of a label table is what: the settings laid beside the columns that are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coilal.types import Problem

Setting = str | Sequence[str] | None
"""A column that must be there, or several of which the first that is there counts, or none."""


@dataclass(frozen=True)
class ColumnSettings:
    """Names of columns, as set by the user; see ``conf/data/coils.yaml``."""

    image: Setting
    classes: Setting
    labels: Sequence[str] | None
    ignored: Sequence[str]
    group: Setting
    doubt: Setting


@dataclass(frozen=True)
class Columns:
    """What each column of a table is.

    Attributes:
        image: file names.
        classes: one class a row, or None where ``labels`` are used.
        labels: 0/1 columns, () where ``classes`` is used.
        group: unit that must not be split, or None.
        doubt: the annotator's doubts, or None.
        unused: columns that could be labels but are not used, because there is a class column.
    """

    image: str
    classes: str | None
    labels: tuple[str, ...]
    group: str | None
    doubt: str | None
    unused: tuple[str, ...]


def first_present(setting: Setting, there: Sequence[str]) -> str | None:
    """Return the first of the names in a setting that is there, or None."""
    names = [setting] if isinstance(setting, str) else (setting or [])
    return next((name for name in names if name in there), None)


def assign_columns(settings: ColumnSettings, there: Sequence[str]) -> tuple[Columns | None, list[Problem]]:
    """Return what each column is; None and the problems if a column that is asked for is not there."""
    missing = [
        f"data.source.{key}={name}"
        for key, names in (
            ("image_column", settings.image),
            ("class_column", settings.classes),
            ("group_column", settings.group),
            ("doubt_column", settings.doubt),
            ("label_columns", tuple(settings.labels or ())),
        )
        for name in ([names] if isinstance(names, str) else names if key == "label_columns" and names else [])
        if name not in there
    ]
    image = first_present(settings.image, there)
    if image is None and not isinstance(settings.image, str):
        missing.append(f"data.source.image_column: none of {', '.join(settings.image or ['(nothing set)'])}")
    classes = None if settings.labels else first_present(settings.classes, there)
    group, doubt = first_present(settings.group, there), first_present(settings.doubt, there)
    taken = {image, classes, group, doubt, *settings.ignored}
    left_over = tuple(name for name in there if name not in taken)
    labels = () if classes is not None else tuple(settings.labels or left_over)
    if classes is None and not labels:
        missing.append("labels: neither a class column nor a column that is left over")
    if missing or image is None:
        kind = f"columns that the table does not have; it has {', '.join(there)}"
        return None, [Problem(kind, tuple(missing))]
    unused = tuple(name for name in left_over if name not in labels)
    return Columns(image, classes, labels, group, doubt, unused), []
