"""Data source of images with a label table (CSV): the tables of the 40 coils, and any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from coilal.common.choices import chosen
from coilal.common.machine import expanded
from coilal.common.types import DataError, DecodedImages, ImageFormat, Problem, Samples
from coilal.data.annotations import Annotations, Codes, faults_of, from_codes, from_labels, from_names, of_all_rows
from coilal.data.columns import Columns, ColumnSettings, Setting, columns_of
from coilal.data.exports import label_studio_problem
from coilal.data.files import CONTACT_SHEET, Duplicates, check_duplicates, decode_files, file_problems
from coilal.data.given_split import GivenSplit, read_split
from coilal.data.groups import groups_from_names
from coilal.data.listing import look_through
from coilal.data.marks import read_marks
from coilal.data.names import files_meant, probable
from coilal.data.spelling import (
    alike,
    check_similar,
    in_full,
    invisible_note,
    meant,
    one_spelling,
    seen,
    spelled_alike,
    without_point,
)
from coilal.data.table_file import load_table
from coilal.data.unlabelled import Unlabelled, check_unlabelled, unclear_rows, unlabelled_images, with_images

_PROBED = 100
"""So many images are looked for to tell whether they lie in the folder itself or in its ``images/``."""


class LabelTable:
    """Images in a folder, their labels in a table; the settings are explained in ``conf/data/coils.yaml``.

    Args:
        root: folder of the images, or the folder that holds them in ``images/``.
        labels: the table; None: ``labels.csv`` in ``root`` or beside it.
        image_column: column of the file names, relative to the images' folder.
        class_column: column with one class a row. Where there is none, 0/1 columns are the labels.
        label_columns: the 0/1 columns; None: every column that is nothing else.
        ignored_columns: columns that are no labels.
        group_column: column of the unit that must not be split (the coil).
        group_pattern: where there is no group column: regular expression whose first group, found in the
            file name, is the coil; None: every image is a group of its own.
        doubt_column: column of the annotator's doubts; a row is doubtful if it is not empty.
        doubtful: ``keep`` or ``drop`` doubtful rows.
        unlabelled: ``drop`` rows without a label, or refuse them (``error``), or keep them and the images that the
            table does not name (``pool``).
        label_names: names to use instead of the columns' own.
        class_codes: for a class column, the faults of each of its codes.
        good_class: class that means fault-free.
        duplicates: ``error`` or ``keep`` images with equal pixels.
        separator: the one character between the fields of the table; backslash and t mean a tab.
        similar_names: ``error`` refuses classes, labels or groups that differ only in spelling (OK and ok, 7 and
            7.0); for ``merge`` they are one, for ``keep`` different ones.
        no_value: texts that mean, in any case, that a cell holds nothing.
        split_column: column of the part of each image. A name in a list counts only where the column names parts.
        attribute_column: column of what else is to be known of each image; it is no label.

    Raises:
        UserError: a setting that is not one of its choices.
    """

    def __init__(
        self,
        root: str,
        labels: str | None = None,
        image_column: Setting = "image",
        class_column: Setting = None,
        label_columns: Setting = None,
        ignored_columns: Setting = (),
        group_column: Setting = None,
        group_pattern: str | None = None,
        doubt_column: Setting = None,
        doubtful: Literal["keep", "drop"] = "keep",
        unlabelled: Unlabelled = "drop",
        label_names: Mapping[Any, Any] | None = None,
        class_codes: Mapping[Any, Mapping[Any, Sequence[str]]] | None = None,
        good_class: Setting = None,
        duplicates: Duplicates = "error",
        separator: str = ",",
        similar_names: str = "error",
        no_value: Sequence[str] = (),
        split_column: Setting = None,
        attribute_column: str | None = None,
    ) -> None:
        self.doubtful = chosen("data.source.doubtful", doubtful, ("keep", "drop"))
        self.duplicates: Duplicates = check_duplicates(duplicates)
        self.root = expanded(root, "data.root")
        self.table = None if labels is None else expanded(labels, "data.labels")
        self.columns = ColumnSettings(
            image_column,
            class_column,
            label_columns,
            ignored_columns,
            group_column,
            doubt_column,
            split_column,
            attribute_column,
        )
        self.group_pattern = group_pattern
        self.unlabelled = check_unlabelled(unlabelled)
        self.label_names = dict(label_names or {})
        self.class_codes: Mapping[Any, Codes] = class_codes or {}
        self.good_class = good_class
        self.separator = "\t" if separator == r"\t" else separator  # as a shell passes it
        self.similar = check_similar(similar_names)
        self.no_value = {str(text).casefold() for text in no_value}

    @property
    def data_set(self) -> Mapping[str, Any]:
        """Nothing: files that are edited stay the data set."""
        return {}

    def read(self) -> Samples:
        """Return names, groups, labels and classes; see ``coilal.common.types.Samples``.

        Raises:
            DataError: every problem of the table; if there is one, those of the images are listed with it.
        """
        table_file = self._table_file()
        if table_file is None:
            return unlabelled_images(self._folder(()), self.group_pattern)
        table, notes = load_table(table_file, self.separator)
        columns, problems, told = columns_of(table, self.columns)
        notes += told
        if columns is not None:
            export = label_studio_problem(table_file, table, columns.image, columns.classes)
            problems += [export] if export else []
        if columns is None or problems:
            raise DataError(_of_table(table_file, problems))
        notes.append(f"The table is {table_file}: {_describe(columns)}.")
        table["_place"] = [
            f"line {line}: {name}" for line, name in zip(table.index + 2, table[columns.image], strict=True)
        ]
        table, emptied = self._without_texts_for_nothing(table, columns)
        notes += emptied
        marked, wrong, said = read_marks(table[list(columns.labels)], self.no_value)
        if self.unlabelled == "pool":
            problems += unclear_rows(table[list(columns.labels)], marked, table["_place"], self.no_value)
        table[list(columns.labels)] = marked
        problems += wrong
        notes += said
        folder = self._folder(table[columns.image])
        listing = look_through(folder)
        files = files_meant(list(table[columns.image]), folder, listing.images)
        table[columns.image] = list(files.names)
        problems += files.problems
        notes += files.notes
        problems += _name_problems(table, columns)
        kept = self._labelled(self._without_doubt(table, columns, notes), columns, notes, problems)
        unnamed = sorted({*listing.images} - {*table[columns.image], CONTACT_SHEET})
        if unnamed and self.unlabelled == "pool":
            kept, nameless = with_images(kept, unnamed, columns)
            problems += nameless
        names = tuple(kept[columns.image])
        groups = self._groups(kept, columns, notes, problems)
        split = _given_split(kept, columns, groups)
        if split is not None:
            problems += split.problems
            notes += split.notes
        is_labelled = ~_is_empty(kept, columns)
        annotations = self._annotations(kept[is_labelled], columns, notes, problems)
        problems += annotations.problems
        if not problems and not names:
            problems.append(Problem("no row is left that has a label"))
        if problems:
            fitting = [name for name in dict.fromkeys(names) if name and name not in files.unclear]
            problems += [Problem(note.removesuffix(".")) for note in emptied]  # a row may be refused for it
            raise DataError([*_of_table(table_file, problems), *file_problems(folder, fitting, self.duplicates)])
        notes += listing.notes
        if unnamed:
            done = "are kept without a label" if self.unlabelled == "pool" else "are left out"
            notes.append(f"{len(unnamed)} images in {folder} are not named in the table and {done}.")
        annotations = of_all_rows(annotations, is_labelled.to_numpy())
        return Samples(
            names=names,
            groups=groups,
            labels=annotations.labels,
            label_names=annotations.label_names,
            classes=annotations.classes,
            class_names=annotations.class_names,
            class_labels=annotations.class_labels,
            good_class=annotations.good_class,
            notes=(*notes, *annotations.notes),
            unlabelled=tuple(np.flatnonzero(~is_labelled).tolist()),
            parts=None if split is None else split.parts,
            attributes={} if columns.attribute is None else {columns.attribute: tuple(kept[columns.attribute])},
        )

    def decode(
        self, samples: Samples, image: ImageFormat, cache: Path, max_gb: float | None = None
    ) -> DecodedImages:
        """Return the decoded images; see ``coilal.data.files.decode_files``."""
        return decode_files(self._folder(samples.names), samples.names, image, cache, self.duplicates, max_gb)

    def image_folder(self, samples: Samples) -> Path:
        """Return the folder that the names of images start from."""
        return self._folder(samples.names)

    def _table_file(self) -> Path | None:
        """Return the table; None where there is none and images need no label."""
        if not self.root.is_dir():
            raise DataError([Problem(f"the folder {self.root} does not exist; set data.root=FOLDER")])
        places = [self.table] if self.table else [self.root / "labels.csv", self.root.parent / "labels.csv"]
        for place in places:
            if place.is_file():
                return place
        if self.unlabelled == "pool" and self.table is None:
            return None
        looked = " or ".join(str(place) for place in places)
        raise DataError([Problem(f"there is no label table {looked}; set data.labels=FILE")])

    def _folder(self, names: Sequence[str] | pd.Series) -> Path:
        inner = self.root / "images"
        if not inner.is_dir() or any((self.root / probable(name)).is_file() for name in names[:_PROBED] if name):
            return self.root
        return inner

    def _without_texts_for_nothing(self, table: pd.DataFrame, columns: Columns) -> tuple[pd.DataFrame, list[str]]:
        """Return the table with empty cells for texts such as nan, where they are not labels of 0 and 1, and notes.

        A cell of which nothing can be seen is empty as well.
        """
        notes = []
        for name in (columns.classes, columns.group, columns.doubt):
            if name is None:
                continue
            bare = table[name].map(seen).str.casefold()
            nothing = bare.isin(self.no_value | {""}) & (table[name] != "")
            if nothing.any():
                texts = ", ".join(f"'{in_full(text)}'" for text in table[name][nothing].unique())
                notes.append(
                    f"{nothing.sum()} cells of column {name} hold {texts}, which means that there is no value "
                    "(data.source.no_value)."
                )
                table[name] = table[name].mask(nothing, "")
        return table, notes

    def _without_doubt(self, table: pd.DataFrame, columns: Columns, notes: list[str]) -> pd.DataFrame:
        if columns.doubt is None:
            return table
        doubtful = table[columns.doubt] != ""
        done = "kept" if self.doubtful == "keep" else "left out"
        notes.append(
            f"{doubtful.sum()} rows with a doubt in column {columns.doubt} are {done} (data.source.doubtful)."
        )
        return table if self.doubtful == "keep" else table[~doubtful]

    def _labelled(
        self, table: pd.DataFrame, columns: Columns, notes: list[str], problems: list[Problem]
    ) -> pd.DataFrame:
        empty = _is_empty(table, columns)
        if not empty.any():
            return table
        if self.unlabelled == "pool":
            notes.append(f"{empty.sum()} rows without a label are kept (data.source.unlabelled).")
            return table
        if self.unlabelled == "error":
            kind = "rows without a label; label them, or leave them out with data.source.unlabelled=drop"
            problems.append(Problem(kind, tuple(table["_place"][empty])))
        else:
            notes.append(f"{empty.sum()} rows without a label are left out (data.source.unlabelled).")
        return table[~empty]

    def _groups(
        self, table: pd.DataFrame, columns: Columns, notes: list[str], problems: list[Problem]
    ) -> tuple[str, ...]:
        if columns.group is None:
            groups, note, found = groups_from_names(
                list(table[columns.image]), list(table["_place"]), self.group_pattern
            )
            notes.append(note)
            problems += found
            if self.group_pattern is None:
                return groups
            return self._one_spelling(pd.Series(groups, table.index), table["_place"], "groups", notes, problems)
        empty = table[columns.group] == ""
        if empty.any():
            kind = f"rows without a group in column {columns.group}"
            problems.append(Problem(kind, tuple(table["_place"][empty])))
        notes.append(f"Images with the same {columns.group} stay on one side of the split.")
        return self._one_spelling(table[columns.group], table["_place"], "groups", notes, problems)

    def _one_spelling(
        self, names: pd.Series, places: pd.Series, what: str, notes: list[str], problems: list[Problem]
    ) -> tuple[str, ...]:
        spelled, wrong, said = one_spelling(names, places, what, self.similar)
        problems += wrong
        notes += said
        return tuple(spelled)

    def _annotations(
        self, table: pd.DataFrame, columns: Columns, notes: list[str], problems: list[Problem]
    ) -> Annotations:
        if columns.classes is None:
            names = self._label_names(columns.labels)
            notes += invisible_note(names, "labels")
            if self.similar != "keep":
                problems += _similar_labels(names)
            codes = next((codes for codes in self.class_codes.values() if faults_of(codes) == set(names)), None)
            return from_labels(table[list(columns.labels)], names, table["_place"], codes)
        values, places = table[columns.classes], table["_place"]
        spelled = pd.Series(self._one_spelling(values, places, "classes", notes, problems), values.index, dtype=str)
        codes = next((self.class_codes[key] for key in self.class_codes if _is_name(key, columns.classes)), None)
        if codes is not None:
            return from_codes(spelled, places, codes)
        return from_names(without_point(spelled), self.good_class)

    def _label_names(self, labels: Sequence[str]) -> list[str]:
        shown = {column: column for column in labels}
        for key, name in self.label_names.items():
            shown |= {column: str(name) for column in meant(key, labels)}
        return list(shown.values())


def _is_empty(table: pd.DataFrame, columns: Columns) -> pd.Series:
    """Return whether all cells of class and labels of each row are empty."""
    named = list(columns.labels) if columns.classes is None else [columns.classes]
    return (table[named] == "").all(axis=1)


def _given_split(table: pd.DataFrame, columns: Columns, groups: Sequence[str]) -> GivenSplit | None:
    if columns.split is None:
        return None
    off = "data.source.split_column=null"
    return read_split(list(table[columns.split]), list(table["_place"]), groups, f"column {columns.split}", off)


def _similar_labels(names: Sequence[str]) -> list[Problem]:
    found = tuple(
        " and ".join(f"'{in_full(name)}'" for name in several) for several in alike(list(dict.fromkeys(names)))
    )
    kind = (
        "label columns that differ only in spelling; make one of them, or say with data.source.similar_names=keep "
        "that they are different labels"
    )
    return [Problem(kind, found)] if found else []


def _is_name(setting: object, column: str) -> bool:
    return spelled_alike(str(setting)) == spelled_alike(column)


def _name_problems(table: pd.DataFrame, columns: Columns) -> list[Problem]:
    names, problems = table[columns.image], []
    empty = names == ""
    if empty.any():
        kind = f"rows without a file name in column {columns.image}"
        problems.append(Problem(kind, tuple(table["_place"][empty])))
    twice = names.duplicated() & ~empty
    if twice.any():
        kind = "duplicate rows: images that are named more than once; leave one row of each"
        problems.append(Problem(kind, tuple(_duplicate_places(table, columns, twice))))
    return problems


def _duplicate_places(table: pd.DataFrame, columns: Columns, twice: pd.Series) -> list[str]:
    """Return where each repeated image stands, where it stood first, and whether the labels are the same."""
    named = list(columns.labels) if columns.classes is None else [columns.classes]
    labels = table[named].map(spelled_alike)
    first_row = table.index.to_series().groupby(table[columns.image]).transform("first")
    places = []
    for row in table.index[twice]:
        first = first_row[row]
        same = "the same labels" if labels.loc[row].equals(labels.loc[first]) else "labels disagree"
        places.append(f"{table['_place'][row]}, first in line {first + 2}: {same}")
    return places


def _of_table(file: Path, problems: Sequence[Problem]) -> list[Problem]:
    """Return the problems with the table that they are found in."""
    return [replace(problem, kind=f"{file}: {problem.kind}") for problem in problems]


def _describe(columns: Columns) -> str:
    used = f"labels from {', '.join(columns.labels)}" if columns.labels else f"classes from {columns.classes}"
    unused = f"; not used: {', '.join(columns.unused)}" if columns.unused else ""
    split = f", split from {columns.split}" if columns.split else ""
    return f"images from {columns.image}, {used}{split}{unused}"
