"""From the data settings to checked, decoded and split images; everything that can be wrong is found here."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from coilal import machine
from coilal.data.checks import check_budget, check_split
from coilal.data.splits import label_counts, split_by_group
from coilal.instantiate import instantiate
from coilal.settings import checked
from coilal.tasks.task import Task
from coilal.types import Budget, DataError, DecodedImages, ImageFormat, Samples, Split, Targets

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
    """

    samples: Samples
    targets: Targets
    split: Split
    images: DecodedImages
    counts: pd.DataFrame


def prepare(cfg: DictConfig, task: Task, budget: Budget) -> Prepared:
    """Read, check, split and decode the data.

    Raises:
        DataError: lists every problem of table and images or, where these are fine, of split and budget.
    """
    source = instantiate(cfg.data.source)
    samples = source.read()
    targets = task.targets(samples)
    # Images that are not there or damaged come first: what a split lacks may well be what they show.
    images = source.decode(samples, image_format(cfg), cache_folder(cfg), cfg.cache.max_gb)
    split = split_by_group(samples, targets, dict(cfg.data.split), cfg.seeds.split)
    problems = [*check_split(samples, targets, split), *check_budget(budget, len(split.pool))]
    if problems:
        raise DataError(problems)
    return Prepared(samples, targets, split, images, label_counts(samples, targets, split))


def image_format(cfg: DictConfig) -> ImageFormat:
    """Return the image format that the settings ask for."""
    height, width = cfg.data.image.size
    return ImageFormat((int(height), int(width)), cfg.data.image.fit, cfg.data.image.mode)


def cache_folder(cfg: DictConfig) -> Path:
    """Return the cache folder.

    Raises:
        UserError: it lies in a home that this user does not have.
    """
    return machine.cache_folder(cfg.cache.dir)


def check(cfg: DictConfig) -> None:
    """Check settings and data as a run would, and print what it would work with."""
    checked(cfg)
    prepared = prepare(cfg, instantiate(cfg.task.module), instantiate(cfg.budget))
    describe(prepared)
    log.info("no problems found")


def describe(prepared: Prepared) -> None:
    """Log what was read, what was left out, and the label counts of each split."""
    samples = prepared.samples
    for note in samples.notes:
        log.info("data: %s", note)
    log.info("data: %d images in %d groups", len(samples), len(set(samples.groups)))
    log.info("labels of each split:\n%s", prepared.counts.T.to_string())
