"""What there is to label: the images of a folder, what a table says of them, the audit set and the pool."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from coilal.active.labels import Label, as_labels, as_values
from coilal.common.instantiate import instantiate
from coilal.common.machine import cache_folder
from coilal.common.types import DataSource, DecodedImages, IntArray, Kind, Samples, Targets, UserError
from coilal.data.files import stamps
from coilal.data.spelling import as_tuple, in_order
from coilal.data.splits import PARTS, as_split, label_counts
from coilal.data.stored_split import ASIDE, STORED_PARTS, Placed, place_audit
from coilal.fit.tasks.task import Task
from coilal.labelling.known import in_place, without_copies
from coilal.labelling.settings import LabelSettings
from coilal.runs.prepare import Prepared
from coilal.runs.settings import Settings
from coilal.runs.study_split import read_split, split_file


@dataclass(frozen=True)
class Images:
    """The images of a labelling session.

    Attributes:
        samples: names, groups, and what the table says.
        decoded: as the model sees them.
        placed: audit set (the test part) and pool.
        split_file: where that is kept.
        folder: that the names start from; None where the images are no files.
        kind: of the task.
        table: what the table labels, as the task learns it; None where it labels nothing.
        classes: names of classes or labels that the table and the settings give, in the order of the settings.
        good_names: names that mean that there is no fault.
        stamps: size and time of change of each file (N, 2) before it was read; None where the images are no files.
        gone: ids of images that were there before, and are not any more; they show what they did.
        notes: which files are copies of others, in sentences.
    """

    samples: Samples
    decoded: DecodedImages
    placed: Placed
    split_file: Path
    folder: Path | None
    kind: Kind
    table: Targets | None
    classes: tuple[str, ...]
    good_names: tuple[str, ...]
    stamps: IntArray | None = None
    gone: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def audit(self) -> IntArray:
        """Ids of the audit set that the table does not label, ascending."""
        is_test = self.placed.part == PARTS.index("test")
        return np.flatnonzero(is_test & ~self._known)

    @property
    def pool(self) -> IntArray:
        """Ids of the images that may be asked for, ascending."""
        return np.flatnonzero(self.placed.part == PARTS.index("pool"))

    @property
    def told_by_table(self) -> dict[int, Label]:
        """Labels of the pool that the table gives, by id."""
        in_pool = set(self.pool.tolist())
        return {number: label for number, label in self.known_by_table.items() if number in in_pool}

    @property
    def known_by_table(self) -> dict[int, Label]:
        """Labels that the table gives, by id."""
        if self.table is None:
            return {}
        ids = np.flatnonzero(self._known)
        return dict(zip(ids.tolist(), as_labels(self.table.values[ids], self.table.names), strict=True))

    @property
    def _known(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return np.zeros(len(self.samples), dtype=np.bool_) if self.table is None else self.table.is_labelled

    def names(self, added: Sequence[str]) -> tuple[str, ...]:
        """Return the names that the model learns, in the order that a study of these labels would have.

        Args:
            added: while people were labelling.
        """
        wanted = tuple(dict.fromkeys([*self.classes, *added]))
        if self.kind == "multilabel":
            return wanted
        coded = self.table.names if self.table is not None and self.table.class_labels is not None else ()
        return (*coded, *in_order([name for name in wanted if name not in coded]))

    def prepared(self, names: tuple[str, ...], audited: Mapping[int, Label]) -> Prepared:
        """Return the data of a run.

        Args:
            names: that the model learns.
            audited: labels that were told of the audit set.
        """
        targets = self._targets(names, audited)
        split = as_split(self.placed.part, targets)
        counts = label_counts(self.samples, targets, split)
        return Prepared(self.samples, targets, split, self.decoded, counts, self.placed, self.split_file)

    def aside(self, ids: Sequence[int]) -> Images:
        """Return the same where these images are neither asked for nor measured with."""
        part = self.placed.part.copy()
        part[list(ids)] = STORED_PARTS.index(ASIDE)
        return replace(self, placed=replace(self.placed, part=part))

    def _targets(self, names: tuple[str, ...], audited: Mapping[int, Label]) -> Targets:
        number = len(self.samples)
        shape = number if self.kind == "multiclass" else (number, len(names))
        values = np.full(shape, -1, dtype=np.int64)
        known: dict[int, Label] = {**self.known_by_table, **audited}
        if known:
            values[list(known)] = as_values(list(known.values()), names, self.kind)
        good = next((names.index(name) for name in self.good_names if name in names), None)
        return Targets(
            kind=self.kind,
            values=values,
            names=names,
            used=np.ones(number, dtype=np.bool_),
            good_class=good if self.kind == "multiclass" else None,
        )


def read_images(
    settings: Settings,
    task: Task,
    label: LabelSettings,
    before: Images | None = None,
    known: Collection[str] = (),
) -> Images:
    """Return what there is to label; writes nothing but the cache.

    A session that begins refuses copies of images, unless ``data.source.duplicates`` keeps them. One that has begun
    leaves out those that have come since, and says so.

    Args:
        settings: those of the run.
        task: what is learnt.
        label: the settings of the session.
        before: the images so far, which keep their ids; new ones come after them. None at a start.
        known: names of the images that the session knew when it was last open; none where it begins.

    Raises:
        DataError: lists every problem of table and images.
        UserError: nobody says what the classes are, or no image is left for the pool.
    """
    source, originals = _source(settings, known if before is None else before.samples.names)
    samples = source.read()
    folder = getattr(source, "image_folder", None)  # rendered images are no files
    root = None if folder is None else folder(samples)
    stamp_of = {} if root is None else dict(zip(samples.names, stamps(root, samples.names)[0], strict=True))
    decoded = source.decode(samples, settings.data.image, cache_folder(settings.cache.dir), settings.cache.max_gb)
    notes: tuple[str, ...] = ()
    gone: tuple[int, ...] = ()
    if originals:
        samples, decoded, notes = without_copies(samples, decoded, originals)
    if before is not None:
        samples, decoded, gone = in_place(samples, decoded, (before.samples, before.decoded))
    table = _table(task, samples)
    seed = settings.seeds.split
    file = split_file(settings.records, {"audit": label.audit}, seed, source.data_set)
    placed = place_audit(samples, label.audit, seed, read_split(file))
    names = tuple(dict.fromkeys([*label.classes, *(table.names if table else ())]))
    least = 2 if task.kind == "multiclass" else 1
    if len(names) < least:
        what = "classes" if task.kind == "multiclass" else "labels"
        raise UserError(
            f"nobody says what the {what} are: name {least} or more, as in label.classes=[ok,dent,scratch]. More "
            "can be added while labelling."
        )
    images = Images(
        samples=samples,
        decoded=decoded,
        placed=placed,
        split_file=file,
        folder=root,
        kind=task.kind,
        table=table,
        classes=names,
        good_names=tuple(str(name) for name in as_tuple(settings.data.source.get("good_class"))),
        stamps=None if root is None else np.array([stamp_of.get(name, (0, 0)) for name in samples.names]),
        gone=gone,
        notes=notes,
    )
    if not len(images.pool):
        raise UserError(
            f"no image is left to learn from: all {len(samples)} are in the audit set; give more images, or a "
            "smaller label.audit."
        )
    return images


def _source(settings: Settings, known: Collection[str]) -> tuple[DataSource, set[str]]:
    """Return what reads the images, and the names of those that copies are left out beside; none if copies are not.

    Copies are kept where they are read, so that a session can go on without them.
    """
    given = settings.data.source
    if not known or given.get("duplicates") != "error":
        return instantiate(given), set()
    return instantiate(given, duplicates="keep"), set(known)


def _table(task: Task, samples: Samples) -> Targets | None:
    """Return what a table labels, None where it labels nothing; it may know one class alone."""
    if not samples.is_labelled.any():
        return None
    if task.kind == "multiclass" and samples.classes is not None and len(samples.class_names) == 1:
        used = np.ones(len(samples), dtype=np.bool_)
        return Targets("multiclass", samples.classes, samples.class_names, used)
    return task.targets(samples)
