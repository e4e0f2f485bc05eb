"""Labels and classes of the rows of a table: two views of the same faults where the coding is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from coilal.data.columns import Setting, first_present
from coilal.types import IntArray, Problem

Codes = Mapping[str, Sequence[str]]
"""Faults of each class code, in class order."""


@dataclass(frozen=True)
class View:
    """The label part of ``coilal.types.Samples`` (same names and shapes), with problems and notes."""

    labels: NDArray[np.uint8] | None = None
    label_names: tuple[str, ...] = ()
    classes: IntArray | None = None
    class_names: tuple[str, ...] = ()
    class_labels: NDArray[np.uint8] | None = None
    good_class: int | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def normal_code(value: object) -> str:
    """Return a class as text; whole numbers without decimals, as tables with gaps write 1 as 1.0."""
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else text


def from_labels(values: pd.DataFrame, names: Sequence[str], places: pd.Series, codes: Codes | None) -> View:
    """Return the view of 0/1 columns.

    Args:
        values: text (N, L).
        names: names of the L labels.
        places: where each row stands, for problems (N).
        codes: faults of each class; classes are filled in if they speak of the same labels.
    """
    numbers = values.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    wrong = ~np.isin(numbers, (0.0, 1.0))
    if wrong.any():
        rows, columns = np.nonzero(wrong)
        found = values.to_numpy()[rows, columns]
        bad = tuple(
            f"{place}: {values.columns[column]} is '{value}'"
            for place, column, value in zip(places.iloc[rows], columns.tolist(), found, strict=True)
        )
        kind = (
            "labels that are not 0 or 1; mend them, or name a column that is no label in "
            "data.source.ignored_columns"
        )
        return View(problems=(Problem(kind, bad),))
    labels = numbers.astype(np.uint8)
    if codes is None or faults_of(codes) != set(names):
        return View(labels=labels, label_names=tuple(names))
    class_labels = _class_labels(codes, names)
    bits = 1 << np.arange(len(names), dtype=np.int64)
    code_of = {int(code): index for index, code in enumerate(class_labels @ bits)}
    classes = pd.Series(labels @ bits).map(code_of)
    if classes.isna().any():
        note = "Some combinations of labels have no class in data.source.class_codes, so classes are not known."
        return View(labels=labels, label_names=tuple(names), notes=(note,))
    return View(
        labels=labels,
        label_names=tuple(names),
        classes=np.asarray(classes, dtype=np.int64),
        class_names=_combination_names(class_labels, names),
        class_labels=class_labels,
        good_class=_fault_free(class_labels),
    )


def from_codes(values: pd.Series, places: pd.Series, codes: Codes) -> View:
    """Return both views of a column of class codes whose faults are known.

    Args:
        values: text (N).
        places: where each row stands, for problems (N).
        codes: faults of each class.
    """
    order = {normal_code(code): index for index, code in enumerate(codes)}
    classes = values.map(normal_code).map(order)
    unknown = classes.isna()
    if unknown.any():
        bad = tuple(f"{place}: {value}" for place, value in zip(places[unknown], values[unknown], strict=True))
        kind = f"not a known class; data.source.class_codes has {', '.join(order)}"
        return View(problems=(Problem(kind, bad),))
    names = tuple(dict.fromkeys(fault for faults in codes.values() for fault in faults))
    class_labels = _class_labels(codes, names)
    indices: IntArray = np.asarray(classes, dtype=np.int64)
    return View(
        labels=class_labels[indices],
        label_names=names,
        classes=indices,
        class_names=_combination_names(class_labels, names),
        class_labels=class_labels,
        good_class=_fault_free(class_labels),
    )


def from_names(values: pd.Series, good_class: Setting) -> View:
    """Return the view of a column of class names, sorted by name (numbers by value).

    Args:
        values: text (N).
        good_class: name of the fault-free class, or several of which the one that occurs is it.
    """
    codes = values.map(normal_code)
    names = sorted(codes.unique(), key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name))
    good = first_present(good_class, names)
    if isinstance(good_class, str) and good is None:
        kind = f"data.source.good_class={good_class} is not a class; the classes are {', '.join(names)}"
        return View(problems=(Problem(kind),))
    note = (
        f"Class '{good}' means fault-free."
        if good is not None
        else "No class is known to mean fault-free (data.source.good_class): inspection figures are left out."
    )
    return View(
        classes=np.asarray(codes.map({name: index for index, name in enumerate(names)}), dtype=np.int64),
        class_names=tuple(names),
        good_class=None if good is None else names.index(good),
        notes=(note,),
    )


def faults_of(codes: Codes) -> set[str]:
    """Return the faults that the classes speak of."""
    return {fault for faults in codes.values() for fault in faults}


def _class_labels(codes: Codes, names: Sequence[str]) -> NDArray[np.uint8]:
    return np.array([[name in faults for name in names] for faults in codes.values()], dtype=np.uint8)


def _combination_names(class_labels: NDArray[np.uint8], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        "+".join(name for name, there in zip(names, row, strict=True) if there) or "none" for row in class_labels
    )


def _fault_free(class_labels: NDArray[np.uint8]) -> int | None:
    free = np.flatnonzero(~class_labels.any(axis=1))
    return int(free[0]) if len(free) else None
