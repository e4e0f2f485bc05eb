"""From the data settings to checked, decoded and split images; everything that can be wrong is found here."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from omegaconf import DictConfig

from coilal.common.instantiate import instantiate
from coilal.common.machine import acquired, cache_folder, writing
from coilal.common.types import (
    Budget,
    DataError,
    DataSource,
    DecodedImages,
    Problem,
    Samples,
    Split,
    Targets,
    UserError,
)
from coilal.data.checks import check_budget, check_split
from coilal.data.division import Division
from coilal.data.histogram import describe_levels
from coilal.data.sheet import check_sheet_file, write_stored_sheet
from coilal.data.splits import as_split, label_counts
from coilal.data.stored_split import Placed, place
from coilal.run_directory.data_record import DataRecord
from coilal.run_directory.files import WAY_OUT
from coilal.runs import chosen_on, same_data
from coilal.runs.hparams import ensure_found_on
from coilal.runs.refusals import once
from coilal.runs.same_division import tell_of_other_divisions
from coilal.runs.settings import Settings
from coilal.runs.starting import starter
from coilal.runs.study_split import ensure_apart, files_apart, keep_split, read_split, split_file

if TYPE_CHECKING:
    from coilal.fit.tasks.task import Task

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """A data set that is ready for a run.

    Attributes:
        samples: names, groups and labels.
        targets: what the task learns.
        split: ids of pool, validation and test.
        images: the decoded images.
        counts: labels per part, as printed and stored.
        placed: the part of every image, also of those that the task leaves out.
        split_file: file of the study's split.
        division: which of the possible divisions the split is; None where people label.
        apart: files of the splits that may not test what this one tests; see ``study_split.files_apart``.
    """

    samples: Samples
    targets: Targets
    split: Split
    images: DecodedImages
    counts: pd.DataFrame
    placed: Placed
    split_file: Path
    division: Division | None = None
    apart: Mapping[int, Path] = field(default_factory=dict)
    _kept: set[Path] = field(default_factory=set)  # folders that hold the records, as far as this process knows

    @cached_property
    def record(self) -> DataRecord:
        """What the data are, image by image."""
        return DataRecord.of(self.samples, self.images, self.split)

    def pixels(self, name: str) -> NDArray[np.uint8]:
        """Return an image by its name, uint8 (H, W) or (H, W, 3)."""
        image = self.images.pixels[self._ids[name]]
        return np.moveaxis(np.asarray(image), 0, -1).squeeze(-1) if len(image) == 1 else np.moveaxis(image, 0, -1)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.samples.names)}

    def keep_records(self) -> None:
        """Keep with the study what its data are, and its split."""
        records = self.split_file.parent
        if records in self._kept:
            return
        with writing(records):
            records.mkdir(parents=True, exist_ok=True)
        with acquired(records / ".lock", WAY_OUT):  # all runs of a study write there
            self.record.write(records)
            if self.placed.adds:
                if self.division is not None:  # another run may have drawn from other data meanwhile
                    ensure_apart(self.apart, self.division, self.samples, self.placed.part)
                keep_split(self.split_file, self.samples, self.placed.part)
        self._kept.add(records)


def prepare(settings: Settings, task: Task, budget: Budget, oracle_is_simulated: bool = False) -> Prepared:
    """Read, check, split and decode the data; writes nothing but the cache.

    Args:
        settings: those of a run.
        task: what is learnt.
        budget: how many labels are bought, and when.
        oracle_is_simulated: whether labels are asked of the data, so that the whole pool must have them.

    Raises:
        DataError: lists every problem of the table; or why it cannot be split, or lacks labels of the pool that a
            simulated oracle is asked for; or every problem of the images; or, where these are fine, of split and
            budget.
        UserError: a split of the study cannot be read.
    """
    source: DataSource = instantiate(settings.data.source)
    cache = cache_folder(settings.cache.dir)
    data = {"data": settings.data.given, "cache": str(cache)}
    division, records = settings.division, settings.records
    file = split_file(records, settings.data.split, division.number, source.data_set)
    apart = files_apart(records, settings.data.split, division, source.data_set)

    def divided() -> tuple[Samples, Targets, Placed]:
        samples = once({**data, "what": "table"}, source.read)
        _refuse_beside_given_split(samples, division)
        targets = _targets(task, samples)
        placed = place(samples, division, read_split(file))
        if placed.adds:
            ensure_apart(apart, division, samples, placed.part)
        if oracle_is_simulated:
            refuse_unlabelled_pool(targets, as_split(placed.part, targets))
        return samples, targets, placed

    # Before images are decoded, which takes long, and once for all cells of a grid with this split.
    which = {"what": "split", "number": division.number, "records": str(records), "task": settings.task.module}
    samples, targets, placed = once({**data, **which}, divided)
    # Images that are not there or damaged come first: what a part lacks may well be what they show.
    images = once(
        {**data, "what": "images"},
        lambda: source.decode(samples, settings.data.image, cache, settings.cache.max_gb),
    )
    split = as_split(placed.part, targets)
    if settings.strategy.get("groups") is not None:  # batches are as large as groups are: only the start is known
        budget = Budget(initial=budget.counts()[0])
    scored = settings.score_validation is not False
    problems = [
        *check_split(samples, targets, split, scored, division),
        *check_budget(budget, len(split.pool), division),
    ]
    if problems:
        if placed.is_stored:
            problems.append(
                Problem(f"the split is the one that this study has drawn, {file}; another study=… draws anew")
            )
        raise DataError([*problems, *_how_read(samples)])
    counts = label_counts(samples, targets, split)
    return Prepared(samples, targets, split, images, counts, placed, file, division, apart)


def _refuse_beside_given_split(samples: Samples, division: Division) -> None:
    """Refuse settings of a split that is drawn where the data give one.

    Raises:
        DataError: an attribute, or another number than 0.
    """
    if samples.parts is None:
        return
    if division.by is not None:
        raise _refusal(
            f"data.split.by={division.by}, and the data give the split: set one of them, "
            "data.source.split_column=null to leave a value out."
        )
    if division.number:
        raise _refusal(
            f"split={division.number}: the data give the split, and there is no other than split=0; to have "
            "several drawn set data.source.split_column=null or, of folders, data.source.split_folders=false."
        )


def refuse_unlabelled_pool(targets: Targets, split: Split) -> None:
    """Refuse a pool with images whose label a simulated oracle cannot know.

    Raises:
        DataError: says how many they are.
    """
    unlabelled = int((~targets.is_labelled[split.pool]).sum())
    if unlabelled:
        raise _refusal(
            f"{unlabelled} of {len(split.pool)} images of the pool have no label, and a study asks an oracle that "
            "knows all labels: label them, or leave them out with data.source.unlabelled=drop."
        )


def _refusal(what: str) -> DataError:
    return DataError([Problem(what)])


def _targets(task: Task, samples: Samples) -> Targets:
    """Return what the task learns; if the data do not suit it, say how they were read."""
    try:
        return task.targets(samples)
    except UserError as error:
        raise DataError([Problem(str(error)), *_how_read(samples)]) from error


def _how_read(samples: Samples) -> list[Problem]:
    """Return the notes of the data as a part of a refusal: what a task misses may have been left out."""
    return [Problem("how the data were read", samples.notes)] if samples.notes else []


def read_data(settings: Settings, decode: bool) -> DataRecord:
    """Return what the data are now, without the parts of the split; writes nothing but the cache.

    Args:
        settings: those of a run.
        decode: whether images that are not in the cache are decoded; if not, the record has no content then.
    """
    source: DataSource = instantiate(settings.data.source)
    samples = source.read()
    images = None
    try:
        most = settings.cache.max_gb if decode else 0.0
        images = source.decode(samples, settings.data.image, cache_folder(settings.cache.dir), most)
    except UserError as error:  # images that cannot be read, or a cache that cannot be used or may not grow
        reason = str(error) if decode else "they are not in the cache (changed since, or the cache was cleared)"
        log.warning("finished runs are compared by labels and groups only, not by images: %s", reason)
    return DataRecord.of(samples, images, split=None)


def check(cfg: DictConfig, sheet: Path | None = None) -> None:
    """Check settings and data as a run would, and print what it would work with.

    Args:
        cfg: the composed settings.
        sheet: file for a contact sheet of what is stored.
    """
    settings = Settings.of(cfg)
    if sheet is not None:
        check_sheet_file(sheet)
    budget: Budget = instantiate(settings.budget)
    starter(budget.start)
    prepared = prepare(settings, instantiate(settings.task.module), budget)
    ensure_found_on(settings.hparams, prepared.images.fingerprint)
    settings.oracle.of(prepared.targets, settings.seeds.start)
    describe(prepared)
    tell_of_other_divisions([settings])
    chosen_on.tell_of(settings, prepared)
    same_data.tell_of_other_runs(settings, settings.folder(), prepared)
    describe_levels(prepared.images.pixels)
    if sheet is not None:
        left_out = write_stored_sheet(sheet, prepared.images.pixels, prepared.samples, prepared.targets)
        more = f"; {left_out} more classes or combinations are not on it" if left_out else ""
        log.info("wrote %s: what the network will see%s", sheet, more)
    log.info("no problems found")


def describe(prepared: Prepared) -> None:
    """Log what was read, what was left out, and the label counts of each split."""
    samples = prepared.samples
    for note in filter(None, (*samples.notes, prepared.placed.note, *_unlabelled_notes(prepared))):
        log.info("data: %s", note)
    log.info("data: %d images in %d groups", len(samples), len(set(samples.groups)))
    if tested := _tested(prepared):
        log.info("%s", tested)
    log.info("labels of each split:\n%s", prepared.counts.T.to_string())


def _tested(prepared: Prepared) -> str:
    """Return which value or fold the split tests, and how many groups that is; "" where it is neither."""
    division, samples, test = prepared.division, prepared.samples, prepared.split.test.tolist()
    if division is None or samples.parts is not None or not division.apart:
        return ""
    groups = f"{len({samples.groups[number] for number in test})} of {len(set(samples.groups))} groups"
    if division.by is not None:
        return f"split {division.number} tests {division.by} {samples.attributes[division.by][test[0]]}: {groups}"
    again = f" (round {division.dealing + 1})" if division.dealing else ""
    return f"split {division.number} tests fold {division.fold + 1} of {division.folds}{again}: {groups}"


def _unlabelled_notes(prepared: Prepared) -> list[str]:
    """Return how many images without a label are in the pool, and how many cannot be used, in sentences."""
    targets, split = prepared.targets, prepared.split
    unlabelled = targets.used & ~targets.is_labelled
    in_pool, notes = int(unlabelled[split.pool].sum()), []
    if in_pool:
        notes.append(
            f"{in_pool} of {len(split.pool)} images of the pool have no label; python -m coilal.train, which asks "
            "an oracle that knows all labels, refuses them."
        )
    if left_out := int(unlabelled.sum()) - in_pool:
        notes.append(
            f"{left_out} images without a label are left out: their group stands in validation or test, where "
            "they can neither be scored nor be bought."
        )
    return notes
