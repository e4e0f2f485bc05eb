"""The folder that is predicted: names, groups, images stored as the run's; refused if it has other classes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from coilal.common.instantiate import instantiate
from coilal.common.machine import cache_folder
from coilal.common.types import DataError, DataSource, DecodedImages, Problem, UserError
from coilal.data.files import CONTACT_SHEET, decode_files
from coilal.data.folder import ImageFolder
from coilal.data.given_split import part_named
from coilal.data.groups import groups_from_names
from coilal.data.listing import look_through
from coilal.data.table import LabelTable
from coilal.prediction.request import Request
from coilal.prediction.trained_run import TrainedRun

log = logging.getLogger(__name__)

INNER = "images"
"""Folder that may hold all images, as beside a label table; it is no part of their names then."""


@dataclass(frozen=True)
class Pictures:
    """Images that are predicted.

    Attributes:
        folder: where the names start.
        names: of the images (N).
        groups: part (coil) of each image (N).
    """

    folder: Path
    names: tuple[str, ...]
    groups: tuple[str, ...]

    @classmethod
    def of(cls, root: Path, run: TrainedRun, request: Request) -> Pictures:
        """Return the images in a folder and its sub-folders.

        Raises:
            DataError: there is none, or there are such as belong to no part.
            UserError: a table or class folders say that the images are of other classes.
        """
        if not root.is_dir():
            raise DataError([Problem(f"the folder {root} does not exist; set data.root=FOLDER")])
        listing = look_through(root)
        names = [name for name in listing.images if PurePosixPath(name).name != CONTACT_SHEET]
        if not names:
            raise DataError([Problem(f"there is no image in {root}", listing.notes)])
        _ensure_classes(root, names, run, request)
        if all(name.startswith(f"{INNER}/") for name in names):
            root, names = root / INNER, [name.removeprefix(f"{INNER}/") for name in names]
        pattern = {**run.settings.data.source, **(request.grouping or {})}.get("group_pattern")
        groups, note, problems = groups_from_names(names, names, pattern, in_table=False)
        if problems:
            raise DataError(problems)
        for each in (*listing.notes, note):
            log.info("data: %s", each)
        return cls(root, tuple(names), groups)

    def decoded(self, run: TrainedRun) -> DecodedImages:
        """Return the images as the run's were stored, from the cache where they are there.

        Raises:
            DataError: images that are damaged, all listed.
            UserError: images of another depth than those of the run.
        """
        cache, image = run.settings.cache, run.image
        images = decode_files(
            self.folder, self.names, image, cache_folder(cache.dir), duplicates="keep", max_gb=cache.max_gb
        )
        if images.range is not None and image.range == "auto":
            raise UserError(
                f"the images in {self.folder} have more than 8 bits, and those of the run had 8: their values "
                "cannot be brought to the same scale. Save them with 8 bits, as those of the run were."
            )
        return images


def _ensure_classes(root: Path, names: list[str], run: TrainedRun, request: Request) -> None:
    """Refuse a folder whose table or class folders have classes that the run does not know."""
    source: DataSource = instantiate(run.settings.data.source)
    if isinstance(source, ImageFolder) and request.class_folders:
        _ensure_class_folders(names, run)
    if isinstance(source, LabelTable):
        _ensure_table(root, run, request)
    elif request.labels is not None:
        raise UserError("data.labels: the run has not learnt from a label table, so that none can be compared")


def _ensure_class_folders(names: list[str], run: TrainedRun) -> None:
    folders = [name.split("/")[:-1] for name in names]
    if all(path and part_named(path[0]) for path in folders):
        folders = [path[1:] for path in folders]
    nameless = {str(text).casefold() for text in run.settings.data.source.get("no_value", ())}
    named = {path[0] for path in folders if path and path[0].casefold() not in nameless}
    unknown = sorted(named - {*run.names, INNER})
    if unknown:
        raise UserError(
            run.other_classes("the folders of the images", tuple(unknown))
            + "; if they are no classes, say so with class_folders=false"
        )


def _ensure_table(root: Path, run: TrainedRun, request: Request) -> None:
    given = run.settings.data.source.get("labels")
    usual = root / (Path(given).name if given else "labels.csv")
    table = request.labels or (usual if usual.is_file() else None)
    if table is None:
        return
    node = {**run.settings.data.source, "root": str(root), "labels": str(table), "unlabelled": "drop"}
    try:
        found = run.task.targets(instantiate({**node, **(request.grouping or {})}).read())
    except UserError as error:
        if request.labels is not None:
            raise
        reason = str(error).partition("\n")[0]
        log.warning("the classes of %s are not compared with those of the run: %s", table, reason)
        return
    if unknown := tuple(name for name in found.names if name not in run.names):
        way_out = (
            ""
            if request.labels
            else f"; if it is not of these images, or its classes do not matter, move {table.name} away"
        )
        raise UserError(run.other_classes(f"{table}", unknown) + way_out)
