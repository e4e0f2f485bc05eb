"""Data source of images in one folder a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from coilal.common.machine import expanded
from coilal.common.types import DataError, DecodedImages, ImageFormat, Problem, Samples, UserError
from coilal.data.annotations import from_names, of_all_rows
from coilal.data.columns import Setting
from coilal.data.files import Duplicates, check_duplicates, decode_files, file_problems
from coilal.data.given_split import GivenSplit, part_named, read_split
from coilal.data.groups import groups_from_names
from coilal.data.listing import look_through
from coilal.data.spelling import check_similar, one_spelling, seen
from coilal.data.unlabelled import Unlabelled, check_unlabelled


class ImageFolder:
    """Images in ``root/<class>/`` or ``root/<part>/<class>/``, sub-folders allowed; classes are sorted by name.

    Args:
        root: folder of the class folders.
        group_pattern: regular expression on the file name whose first group is the unit that must not be
            split (the coil); None: every image is a group of its own.
        good_class: class that means fault-free, or several names of which the one that occurs is it.
        duplicates: ``error`` or ``keep`` images with equal pixels.
        similar_names: ``error`` refuses classes or groups that differ only in spelling (OK, ok); for ``merge`` they
            are one, for ``keep`` different ones.
        no_value: class folders of these names, in any case, hold images without a class.
        unlabelled: ``drop`` images without a class, which are those and such as lie in no class folder, or refuse
            them (``error``), or keep them (``pool``).
        split_folders: whether the folders in ``root`` are the parts of the split, and hold the class folders;
            ``auto``: if each of them has the name of a part.

    Raises:
        UserError: a setting that is not one of its choices.
    """

    def __init__(
        self,
        root: str,
        group_pattern: str | None = None,
        good_class: Setting = None,
        duplicates: Duplicates = "error",
        similar_names: str = "error",
        no_value: Sequence[str] = (),
        unlabelled: Unlabelled = "drop",
        split_folders: Literal["auto"] | bool = "auto",
    ) -> None:
        self.duplicates: Duplicates = check_duplicates(duplicates)
        self.root = expanded(root, "data.root")
        self.group_pattern = group_pattern
        self.good_class = good_class
        self.similar = check_similar(similar_names)
        self.no_value = {str(text).casefold() for text in no_value}
        self.unlabelled = check_unlabelled(unlabelled)
        if split_folders not in ("auto", True, False):
            raise UserError(f"data.source.split_folders is '{split_folders}'; choose auto, true or false.")
        self.split_folders = split_folders

    @property
    def data_set(self) -> Mapping[str, Any]:
        """Nothing: files that are edited stay the data set."""
        return {}

    def read(self) -> Samples:
        """Return names (paths relative to ``root``), groups and classes; labels are not known.

        Raises:
            DataError: every problem of the folders; if there is one, those of the images are listed with it.
        """
        if not self.root.is_dir():
            raise DataError([Problem(f"the folder {self.root} does not exist; set data.root=FOLDER")])
        listing = look_through(self.root)
        in_parts = self._in_parts()
        class_of = {name: _folder_of(name, depth=int(in_parts)) for name in listing.images}
        named = {name: seen(folder).casefold() not in self.no_value for name, folder in class_of.items() if folder}
        notes, problems = [*listing.notes], []
        names = tuple(name for name in listing.images if named.get(name) or self.unlabelled == "pool")
        is_labelled = np.array([named.get(name, False) for name in names], dtype=np.bool_)
        if self.unlabelled == "error":
            kind = (
                "images without a class; put them in class folders, or choose data.source.unlabelled=drop or "
                "data.source.unlabelled=pool"
            )
            lacking = tuple(name for name in listing.images if not named.get(name))
            problems += [Problem(kind, lacking)] if lacking else []
        else:
            notes += self._without_class(class_of, named)
        groups, note, wrong = groups_from_names(names, names, self.group_pattern, in_table=False)
        notes.append(note)
        problems += wrong
        if self.group_pattern is not None:
            spelled, wrong, said = one_spelling(
                pd.Series(groups, dtype=str), pd.Series(names, dtype=str), "groups", self.similar
            )
            groups, problems, notes = tuple(spelled), [*problems, *wrong], [*notes, *said]
        split = self._given_split(names, groups) if in_parts else None
        if split is not None:
            problems, notes = [*problems, *split.problems], [*notes, *split.notes]
        problems += self._folder_problems(in_parts, class_of, listing.notes)
        labelled = [name for name, known in zip(names, is_labelled.tolist(), strict=True) if known]
        classes, wrong, said = one_spelling(
            pd.Series([class_of[name] for name in labelled], dtype=str),
            pd.Series(labelled, dtype=str),
            "classes",
            self.similar,
        )
        problems, notes = [*problems, *wrong], [*notes, *said]
        annotations = from_names(classes, self.good_class)
        problems += annotations.problems
        if problems:
            raise DataError([*problems, *file_problems(self.root, names, self.duplicates)])
        return Samples(
            names=names,
            groups=groups,
            classes=of_all_rows(annotations, is_labelled).classes,
            class_names=annotations.class_names,
            good_class=annotations.good_class,
            notes=(*notes, *annotations.notes),
            unlabelled=tuple(np.flatnonzero(~is_labelled).tolist()),
            parts=None if split is None else split.parts,
        )

    def decode(
        self, samples: Samples, image: ImageFormat, cache: Path, max_gb: float | None = None
    ) -> DecodedImages:
        """Return the decoded images; see ``coilal.data.files.decode_files``."""
        return decode_files(self.root, samples.names, image, cache, self.duplicates, max_gb)

    def image_folder(self, samples: Samples) -> Path:  # noqa: ARG002 (of each source)
        """Return the folder that the names of images start from."""
        return self.root

    def _in_parts(self) -> bool:
        """Return whether the folders in the root are parts of the split.

        Raises:
            DataError: some are, and others would be classes beside them.
        """
        if self.split_folders != "auto":
            return self.split_folders
        folders = _folders_in(self.root)
        others = tuple(name for name in folders if not part_named(name))
        parts = {part_named(name) for name in folders} - {""}
        if others and {"pool", "test"} <= parts:
            kind = (
                f"folders in {self.root} that name no part of a split, beside such as do; move them away, or say "
                "with data.source.split_folders=false that all are classes"
            )
            raise DataError([Problem(kind, others)])
        return bool(parts) and not others

    def _without_class(self, class_of: Mapping[str, str], named: Mapping[str, bool]) -> list[str]:
        """Return what becomes of the images without a class, in sentences."""
        loose = sum(not folder for folder in class_of.values())
        nameless = [name for name, is_named in named.items() if not is_named]
        kept, notes = self.unlabelled == "pool", []
        if loose:
            done = "kept without a class (data.source.unlabelled)" if kept else "left out"
            notes.append(f"{loose} images in {self.root} lie in no class folder: {done}.")
        if nameless:
            done = "kept without a class" if kept else "left out"
            folders = ", ".join(sorted({class_of[name] for name in nameless}))
            why = "the name means that there is no class (data.source.no_value)"
            notes.append(f"{len(nameless)} images in {folders} are {done}: {why}.")
        return notes

    def _given_split(self, names: Sequence[str], groups: Sequence[str]) -> GivenSplit:
        """Return the split that the folders give; images that lie in none of them are of the pool."""
        texts = [_folder_of(name, depth=0) or "pool" for name in names]
        off = "data.source.split_folders=false"
        return read_split(texts, names, groups, f"the folder names in {self.root}", off)

    def _folder_problems(self, in_parts: bool, class_of: Mapping[str, str], notes: Sequence[str]) -> list[Problem]:
        above = [f"{part}/" for part in _folders_in(self.root)] if in_parts else [""]
        folders = [f"{part}{name}" for part in above for name in _folders_in(self.root / part)]
        if not folders and self.unlabelled != "pool":
            return [Problem(f"{self.root} has no class folders; data=folder needs one folder a class")]
        depth = int(in_parts) + 1
        filled = {"/".join(name.split("/")[:depth]) for name, folder in class_of.items() if folder}
        empty = tuple(name for name in folders if name not in filled)
        kind = " ".join([f"class folders without an image in {self.root}", *(f"({note})" for note in notes)])
        return [Problem(kind, empty)] if empty else []


def _folders_in(folder: Path) -> list[str]:
    return sorted(place.name for place in folder.iterdir() if place.is_dir() and not place.name.startswith("."))


def _folder_of(name: str, depth: int) -> str:
    """Return the folder at this depth in the path of an image, "" where it lies above."""
    folders = name.split("/")[:-1]
    return folders[depth] if len(folders) > depth else ""
