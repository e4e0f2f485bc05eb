"""Columns of labels in the ways that people write them: 0 and 1, yes and no, a cross or nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pandas as pd

from coilal.common.types import Problem
from coilal.data.spelling import spelled_alike

_WORDS = (
    ("true", "false"),
    ("yes", "no"),
    ("ja", "nein"),
    ("wahr", "falsch"),
    ("t", "f"),
    ("y", "n"),
    ("j", "n"),
    ("w", "f"),
    ("+", "-"),
    ("x", "-"),
    ("x", "o"),
    ("✓", "✗"),
    ("✓", "-"),
    ("✔", "✘"),
    ("✔", "-"),
)
"""Words for 1 and 0, small."""

_CROSSES = ("x", "✓", "✔")
"""Marks that stand alone: where there is none, the label is 0."""

_ONE, _ZERO = spelled_alike("1"), spelled_alike("0")


@dataclass(frozen=True)
class _Reading:
    """How a column is read.

    Attributes:
        values: text, small → 0 or 1.
        says: in words, or "" for plain numbers.
        is_cross: whether a blank cell is one without a mark.
    """

    values: dict[str, int]
    says: str = ""
    is_cross: bool = False


def read_marks(
    table: pd.DataFrame, no_value: Collection[str]
) -> tuple[pd.DataFrame, tuple[Problem, ...], tuple[str, ...]]:
    """Return label columns as ``0``, ``1`` and ``""`` (no label), with problems, and notes on how they are read.

    A text that cannot be read stays as it is. A blank means 0 in a column of crosses, and in all columns if none
    of them spells a 0.

    Args:
        table: text (N, L), a column a label.
        no_value: texts, small, that mean that there is no value.
    """
    columns: list[str] = [str(name) for name in table]
    small = table.apply(lambda column: column.str.casefold())
    dash_means_no = any(
        "-" in column.values and not {*column.unique()} <= {"-", "", *no_value} for _, column in small.items()
    )
    blank = set(no_value) - ({"-"} if dash_means_no else set())
    small = small.mask(small.isin(blank), "")
    found = {name: _reading(set(small[name].unique()) - {""}) for name in columns}
    mixed = tuple(
        f"{name}: {', '.join(sorted(set(small[name]) - {''}))}"
        for name in columns
        if found[name] is None and _is_mixed(set(small[name].unique()) - {""})
    )
    if mixed:
        kind = (
            "labels that are written in more than one way in a column (which of them mean the same is not clear); "
            "write 1 and 0, or name a column that is no label in data.source.ignored_columns"
        )
        return table, (Problem(kind, mixed),), ()
    readings = {name: reading for name, reading in found.items() if reading is not None}
    spells_zero = any(
        0 in {reading.values[text] for text in small[name].unique() if text} for name, reading in readings.items()
    )
    all_readable = len(readings) == table.shape[1]
    blank_means_no = all_readable and not spells_zero and bool((small != "").to_numpy().any())
    marks = table.copy()
    with_blanks = []
    for name, reading in readings.items():
        values = {text: str(value) for text, value in reading.values.items()}
        is_no = blank_means_no or reading.is_cross
        if is_no and (small[name] == "").any():
            with_blanks.append(name)
        marks[name] = small[name].map({**values, "": "0" if is_no else ""})
    return marks, (), _notes(readings, with_blanks, marks)


def _reading(texts: set[str]) -> _Reading | None:
    """Return how a column with these texts is read, or None if that is not clear."""
    numbers = {text: int(spelled_alike(text) == _ONE) for text in texts if spelled_alike(text) in (_ONE, _ZERO)}
    if len(numbers) == len(texts):
        return _Reading(numbers, "1,0 is 1 and 0,0 is 0" if any("," in text for text in texts) else "")
    if len(texts) == 1 and texts <= set(_CROSSES):
        (cross,) = texts
        return _Reading({cross: 1}, f"{cross} is 1", is_cross=True)
    for yes, no in _WORDS:
        if texts <= {yes, no}:
            return _Reading({yes: 1, no: 0}, f"{yes} is 1 and {no} is 0")
    return None


def _is_mixed(texts: set[str]) -> bool:
    """Return whether each text is one of those that are known."""
    known = {word for words in _WORDS for word in words}
    return all(text in known or spelled_alike(text) in (_ONE, _ZERO) for text in texts)


def _notes(readings: dict[str, _Reading], with_blanks: Sequence[str], marks: pd.DataFrame) -> tuple[str, ...]:
    columns: dict[str, list[str]] = {}
    for name, reading in readings.items():
        if reading.says:
            columns.setdefault(reading.says, []).append(name)
    notes = [f"Labels of {', '.join(names)}: {says}." for says, names in columns.items()]
    if with_blanks:
        bare = int((marks[list(readings)] == "0").all(axis=1).sum())
        notes.append(f"A blank in {', '.join(with_blanks)} means 0; {bare} rows have no label that is 1.")
    return tuple(notes)
