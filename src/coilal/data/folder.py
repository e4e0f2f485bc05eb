"""Data source of images in one folder a class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from coilal.data.columns import Setting
from coilal.data.files import Duplicates, decode_files, file_problems
from coilal.data.groups import groups_from_names
from coilal.data.listing import look_through
from coilal.data.views import from_names
from coilal.types import DataError, DecodedImages, ImageFormat, Problem, Samples, UserError


class ImageFolder:
    """Images in ``root/<class>/``, sub-folders allowed; classes are sorted by name.

    Args:
        root: folder of the class folders.
        group_pattern: regular expression on the file name whose first group is the unit that must not be
            split (the coil); None: every image is a group of its own.
        good_class: class that means fault-free, or several names of which the one that occurs is it.
        duplicates: ``error`` or ``keep`` images with equal pixels.

    Raises:
        UserError: a setting that is not one of its choices.
    """

    def __init__(
        self,
        root: str,
        group_pattern: str | None = None,
        good_class: Setting = None,
        duplicates: Duplicates = "error",
    ) -> None:
        if duplicates not in ("error", "keep"):
            raise UserError(f"data.source.duplicates is '{duplicates}'; choose error or keep.")
        self.root = Path(root).expanduser()
        self.group_pattern = group_pattern
        self.good_class = good_class
        self.duplicates: Duplicates = duplicates

    def read(self) -> Samples:
        """Return names (paths relative to ``root``), groups and classes; labels are not known.

        Raises:
            DataError: every problem of the folders; if there is one, those of the images are listed with it.
        """
        if not self.root.is_dir():
            raise DataError([Problem(f"the folder {self.root} does not exist; set data.root=FOLDER")])
        listing = look_through(self.root)
        found = listing.images
        names = tuple(name for name in found if "/" in name)
        classes = [name.split("/")[0] for name in names]
        groups, note, problems = groups_from_names(names, names, self.group_pattern)
        problems += self._folder_problems(set(classes), listing.notes)
        notes = [note, *listing.notes]
        if len(found) > len(names):
            notes.append(f"{len(found) - len(names)} images in {self.root} lie in no class folder: left out.")
        view = from_names(pd.Series(classes, dtype=str), self.good_class)
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
