"""Annotations of the rows of a table: labels and classes, both of them where the coding of the faults is known."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from coilal.common.types import BoolArray, IntArray, Problem, joined
from coilal.data.columns import Setting
from coilal.data.spelling import as_tuple, in_full, in_order, meant, spelled_alike, unclear

Codes = Mapping[str, Sequence[str]]
"""Faults of each class code, in class order."""


@dataclass(frozen=True)
class Annotations:
    """The label part of ``coilal.common.types.Samples`` (same names and shapes), with problems and notes."""

    labels: NDArray[np.uint8] | None = None
    label_names: tuple[str, ...] = ()
    classes: IntArray | None = None
    class_names: tuple[str, ...] = ()
    class_labels: NDArray[np.uint8] | None = None
    good_class: int | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def from_labels(values: pd.DataFrame, names: Sequence[str], places: pd.Series, codes: Codes | None) -> Annotations:
    """Return the annotations in 0/1 columns.

    Args:
        values: text (N, L), ``0`` and ``1``; see ``coilal.data.marks.read_marks``.
        names: names of the L labels.
        places: where each row stands, for problems (N).
        codes: faults of each class; classes are filled in if they speak of the same labels.
    """
    refused = _ambiguous(names, "")
    if refused:
        return Annotations(problems=refused)
    known = values.isin(("0", "1")).to_numpy()
    if not known.all():
        rows, columns = np.nonzero(~known)
        found = values.to_numpy()[rows, columns]
        bad = tuple(
            f"{place}: {values.columns[column]} is '{in_full(value)}'"
            for place, column, value in zip(places.iloc[rows], columns.tolist(), found, strict=True)
        )
        kind = (
            "labels that are not 0 or 1; mend them, name a column of classes in data.source.class_column, or one "
            "that is no label in data.source.ignored_columns"
        )
        return Annotations(problems=(Problem(kind, bad),))
    labels = (values == "1").to_numpy().astype(np.uint8)
    if codes is None or faults_of(codes) != set(names):
        return Annotations(labels=labels, label_names=tuple(names))
    class_labels = _class_labels(codes, names)
    bits = 1 << np.arange(len(names), dtype=np.int64)
    code_of = {int(code): index for index, code in enumerate(class_labels @ bits)}
    classes = pd.Series(labels @ bits).map(code_of)
    if classes.isna().any():
        note = "Some combinations of labels have no class in data.source.class_codes, so classes are not known."
        return Annotations(labels=labels, label_names=tuple(names), notes=(note,))
    return Annotations(
        labels=labels,
        label_names=tuple(names),
        classes=np.asarray(classes, dtype=np.int64),
        class_names=_combination_names(class_labels, names),
        class_labels=class_labels,
        good_class=_fault_free(class_labels),
    )


def from_codes(values: pd.Series, places: pd.Series, codes: Codes) -> Annotations:
    """Return classes and labels of a column of class codes whose faults are known.

    Args:
        values: text (N).
        places: where each row stands, for problems (N).
        codes: faults of each class.
    """
    order = {spelled_alike(str(code)): index for index, code in enumerate(codes)}
    classes = values.map(spelled_alike).map(order)
    unknown = classes.isna()
    if unknown.any():
        bad = tuple(f"{place}: {value}" for place, value in zip(places[unknown], values[unknown], strict=True))
        kind = f"not a known class; data.source.class_codes has {', '.join(map(str, codes))}"
        return Annotations(problems=(Problem(kind, bad),))
    names = tuple(dict.fromkeys(fault for faults in codes.values() for fault in faults))
    refused = _ambiguous(names, "data.source.class_codes")
    if refused:
        return Annotations(problems=refused)
    class_labels = _class_labels(codes, names)
    indices: IntArray = np.asarray(classes, dtype=np.int64)
    return Annotations(
        labels=class_labels[indices],
        label_names=names,
        classes=indices,
        class_names=_combination_names(class_labels, names),
        class_labels=class_labels,
        good_class=_fault_free(class_labels),
    )


def from_names(values: pd.Series, good_class: Setting) -> Annotations:
    """Return the annotations in a column of class names, sorted by name (numbers by value).

    Args:
        values: text (N).
        good_class: name of the fault-free class, or several of which the one that occurs is it.
    """
    names = in_order(values.unique().tolist())
    good, unsure = _good_class(good_class, names)
    if unsure:
        return Annotations(problems=(Problem(unsure),))
    notes = [
        f"Class '{good}' means fault-free."
        if good is not None
        else "No class is known to mean fault-free (data.source.good_class): inspection figures are left out."
    ]
    notes += [
        f"Class '{name}' is a class like the others; if it means fault-free, set data.source.good_class={name}, "
        "and if it means that there is no label, add it to data.source.no_value."
        for name in names
        if name.casefold() == "none" and name != good
    ]
    return Annotations(
        classes=np.asarray(values.map({name: index for index, name in enumerate(names)}), dtype=np.int64),
        class_names=tuple(names),
        good_class=None if good is None else names.index(good),
        notes=tuple(notes),
    )


def of_all_rows(annotations: Annotations, is_labelled: BoolArray) -> Annotations:
    """Return the annotations of all rows, from those of the labelled ones: the others have class -1 and labels 0.

    Args:
        annotations: of the n labelled rows.
        is_labelled: which rows these are (N).
    """
    if is_labelled.all():
        return annotations
    rows = np.flatnonzero(is_labelled)
    labels, classes = None, None
    if annotations.labels is not None:
        labels = np.zeros((len(is_labelled), annotations.labels.shape[1]), dtype=np.uint8)
        labels[rows] = annotations.labels
    if annotations.classes is not None:
        classes = np.full(len(is_labelled), -1, dtype=np.int64)
        classes[rows] = annotations.classes
    return replace(annotations, labels=labels, classes=classes)


def _good_class(setting: Setting, names: Sequence[str]) -> tuple[str | None, str]:
    """Return the class that a setting means, and what is wrong with the setting or ""."""
    for wanted in as_tuple(setting):
        found = meant(wanted, names)
        if len(found) > 1:
            return None, unclear("data.source.good_class", wanted, found)
        if found:
            return found[0], ""
    if setting is None or isinstance(setting, list | tuple):
        return None, ""
    return None, f"data.source.good_class={setting} is not a class; the classes are {', '.join(names)}"


def _ambiguous(names: Sequence[str], ways: str) -> tuple[Problem, ...]:
    """Return what keeps names of labels from being told apart where several stand in one text (``a+b``, ``none``).

    Args:
        names: names of labels.
        ways: how they get other names; "" for those of columns.
    """
    problems = []
    wrong = [name for name in names if "+" in name or name == "none"]
    if wrong:
        kind = (
            "labels whose names hold a + or are 'none', which is how several labels, and no label, are written; "
            f"give them other names: {ways or _rename(wrong)}"
        )
        problems.append(Problem(kind, tuple(wrong)))
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        problems.append(
            Problem("labels of the same name; give each its own in data.source.label_names", tuple(twice))
        )
    return tuple(problems)


def _rename(names: Sequence[str]) -> str:
    """Return how label columns get other names, as it is typed in a shell where the command line can write them."""
    if not all(_TYPABLE.fullmatch(name) for name in names):
        return "rename the columns in the first line of the table"
    new = {name: name.replace("+", "_and_") if name != "none" else "no_fault" for name in names}
    pairs = ",".join(f"{_as_key(name)}:{_as_key(other)}" for name, other in new.items())
    return f"'+data.source.label_names={{{pairs}}}'"


_TYPABLE = re.compile(r"[\w\-+.%*@?|/ ()\[\]{}:=,]+", re.ASCII)
"""Names that can be a key of a dictionary on the command line; quotes are not allowed there."""


def _as_key(name: str) -> str:
    return re.sub(r"([()\[\]{}:=, ])", r"\\\1", name)


def faults_of(codes: Codes) -> set[str]:
    """Return the faults that the classes speak of."""
    return {fault for faults in codes.values() for fault in faults}


def _class_labels(codes: Codes, names: Sequence[str]) -> NDArray[np.uint8]:
    return np.array([[name in faults for name in names] for faults in codes.values()], dtype=np.uint8)


def _combination_names(class_labels: NDArray[np.uint8], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(joined(names, row) for row in class_labels)


def _fault_free(class_labels: NDArray[np.uint8]) -> int | None:
    free = np.flatnonzero(~class_labels.any(axis=1))
    return int(free[0]) if len(free) else None
