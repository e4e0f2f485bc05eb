"""Data source of images in one folder a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from coilal.common.machine import expanded
from coilal.common.types import DataError, DecodedImages, ImageFormat, Problem, Samples, UserError
from coilal.data.columns import Setting
from coilal.data.files import Duplicates, decode_files, file_problems
from coilal.data.groups import groups_from_names
from coilal.data.listing import look_through
from coilal.data.spelling import check_similar, one_spelling, seen
from coilal.data.views import from_names


class ImageFolder:
    """Images in ``root/<class>/``, sub-folders allowed; classes are sorted by name.

    Args:
        root: folder of the class folders.
        group_pattern: regular expression on the file name whose first group is the unit that must not be
            split (the coil); None: every image is a group of its own.
        good_class: class that means fault-free, or several names of which the one that occurs is it.
        duplicates: ``error`` or ``keep`` images with equal pixels.
        similar_names: ``error`` refuses classes or groups that differ only in spelling (OK, ok); for ``merge`` they
            are one, for ``keep`` different ones.
        no_value: class folders of these names, in any case, hold images without a class; they are left out.

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
    ) -> None:
        if duplicates not in ("error", "keep"):
            raise UserError(f"data.source.duplicates is '{duplicates}'; choose error or keep.")
        self.root = expanded(root, "data.root")
        self.group_pattern = group_pattern
        self.good_class = good_class
        self.duplicates: Duplicates = duplicates
        self.similar = check_similar(similar_names)
        self.no_value = {str(text).casefold() for text in no_value}

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
        found = listing.images
        inside = [name for name in found if "/" in name]
        names = tuple(name for name in inside if seen(name.split("/")[0]).casefold() not in self.no_value)
        notes = list(listing.notes)
        if len(found) > len(inside):
            notes.append(f"{len(found) - len(inside)} images in {self.root} lie in no class folder: left out.")
        if len(inside) > len(names):
            left_out = sorted({name.split("/")[0] for name in {*inside} - {*names}})
            notes.append(
                f"{len(inside) - len(names)} images in {', '.join(left_out)} are left out: the name means that "
                "there is no class (data.source.no_value)."
            )
        places = pd.Series(names, dtype=str)
        groups, note, problems = groups_from_names(names, names, self.group_pattern, in_table=False)
        notes.append(note)
        if self.group_pattern is not None:
            spelled, wrong, said = one_spelling(pd.Series(groups, dtype=str), places, "groups", self.similar)
            groups, problems, notes = tuple(spelled), [*problems, *wrong], [*notes, *said]
        folders = pd.Series([name.split("/")[0] for name in names], dtype=str)
        problems += self._folder_problems({name.split("/")[0] for name in inside}, listing.notes)
        classes, wrong, said = one_spelling(folders, places, "classes", self.similar)
        problems, notes = [*problems, *wrong], [*notes, *said]
        view = from_names(classes, self.good_class)
        problems += view.problems
        if problems:
            raise DataError([*problems, *file_problems(self.root, names, self.duplicates)])
        return Samples(
            names=names,
            groups=groups,
            classes=np.asarray(view.classes),
            class_names=view.class_names,
            good_class=view.good_class,
            notes=(*notes, *view.notes),
        )

    def decode(
        self, samples: Samples, image: ImageFormat, cache: Path, max_gb: float | None = None
    ) -> DecodedImages:
        """Return the decoded images; see ``coilal.data.files.decode_files``."""
        return decode_files(self.root, samples.names, image, cache, self.duplicates, max_gb)

    def _folder_problems(self, classes: set[str], notes: Sequence[str]) -> list[Problem]:
        folders = sorted(
            place.name for place in self.root.iterdir() if place.is_dir() and not place.name.startswith(".")
        )
        if not folders:
            return [Problem(f"{self.root} has no class folders; data=folder needs one folder a class")]
        empty = tuple(name for name in folders if name not in classes)
        kind = " ".join([f"class folders without an image in {self.root}", *(f"({note})" for note in notes)])
        return [Problem(kind, empty)] if empty else []
