"""From the data settings to checked, decoded and split images; everything that can be wrong is found here."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
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
from coilal.data.histogram import describe_levels
from coilal.data.sheet import check_sheet_file, write_stored_sheet
from coilal.data.splits import as_split, label_counts
from coilal.data.stored_split import Placed, place
from coilal.run_directory.data_record import DataRecord
from coilal.run_directory.files import WAY_OUT
from coilal.runs import same_data
from coilal.runs.hparams import ensure_found_on
from coilal.runs.refusals import once
from coilal.runs.settings import Settings
from coilal.runs.starting import starter
from coilal.runs.study_split import keep_split, read_split, split_file

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
    """

    samples: Samples
    targets: Targets
    split: Split
    images: DecodedImages
    counts: pd.DataFrame
    placed: Placed
    split_file: Path
    _kept: set[Path] = field(default_factory=set)  # folders that hold the records, as far as this process knows

    @cached_property
    def record(self) -> DataRecord:
        """What the data are, image by image."""
        return DataRecord.of(self.samples, self.images, self.split)

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
        DataError: lists every problem of table and images or, where these are fine, of split and budget.
        UserError: the study's split cannot be read, or a simulated oracle lacks labels of the pool.
    """
    source: DataSource = instantiate(settings.data.source)
    cache = cache_folder(settings.cache.dir)
    data = {"data": settings.data.given, "cache": str(cache)}
    samples = once({**data, "what": "table"}, source.read)
    targets = _targets(task, samples)
    shares, seed = dict(settings.data.split), settings.seeds.split
    file = split_file(settings.records, shares, seed, source.data_set)
    if oracle_is_simulated and samples.unlabelled:  # before images are decoded, which takes long
        refuse_unlabelled_pool(targets, as_split(place(samples, shares, seed, read_split(file)).part, targets))
    # Images that are not there or damaged come first: what a split lacks may well be what they show.
    images = once(
        {**data, "what": "images"},
        lambda: source.decode(samples, settings.data.image, cache, settings.cache.max_gb),
    )
    placed = place(samples, shares, seed, read_split(file))
    split = as_split(placed.part, targets)
    if settings.strategy.get("groups") is not None:  # batches are as large as groups are: only the start is known
        budget = Budget(initial=budget.counts()[0])
    scored = settings.score_validation is not False
    problems = [*check_split(samples, targets, split, scored), *check_budget(budget, len(split.pool))]
    if problems:
        if placed.is_stored:
            problems.append(
                Problem(f"the split is the one that this study has drawn, {file}; another study=… draws anew")
            )
        raise DataError([*problems, *_how_read(samples)])
    counts = label_counts(samples, targets, split)
    return Prepared(samples, targets, split, images, counts, placed, file)


def refuse_unlabelled_pool(targets: Targets, split: Split) -> None:
    """Refuse a pool with images whose label a simulated oracle cannot know.

    Raises:
        UserError: says how many they are.
    """
    unlabelled = int((~targets.is_labelled[split.pool]).sum())
    if unlabelled:
        raise UserError(
            f"{unlabelled} of {len(split.pool)} images of the pool have no label, and a study asks an oracle that "
            "knows all labels: label them, or leave them out with data.source.unlabelled=drop."
        )


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
    describe(prepared)
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
    log.info("labels of each split:\n%s", prepared.counts.T.to_string())


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
