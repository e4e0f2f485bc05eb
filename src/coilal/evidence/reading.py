"""Reads run directories; one that cannot be used is reported, never dropped in silence."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from coilal.common.types import FloatArray, IntArray, Problem, UserError
from coilal.run_directory.aulc import aulc
from coilal.run_directory.data_record import COLUMN_OF, GIVEN_SPLIT, changes, read_rows
from coilal.run_directory.files import has_cycles, read_status
from coilal.run_directory.health import DamagedError, read_config
from coilal.run_directory.identity import flatten, identifying
from coilal.run_directory.parts import EARLIER_PARTS
from coilal.run_directory.pool_map import PoolMap, read_map
from coilal.run_directory.store import read_cycles, read_queries

SEED_FOLDER = re.compile(r"seed(\d+)")
# what reading files of unknown content raises; ValueError is that of JSON, CSV and text decoding
_DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError)
DATA_KEYS = {f"data {aspect}": aspect for aspect in COLUMN_OF}
_NEEDED = ("seeds", "weights", "data", "versions", "git_commit")


@dataclass(frozen=True)
class Finding:
    """Something about the runs that the reader of a report must know.

    Attributes:
        where: the run directory or the comparison.
        what: what was found.
        consequence: how it was handled.
    """

    where: str
    what: str
    consequence: str


@dataclass(frozen=True)
class Run:
    """One finished run.

    Attributes:
        folder: the run directory.
        study: name of the study; with task, model, strategy and seed it names the run.
        task: name of the task.
        model: name of the model.
        strategy: name of the strategy.
        seed: the run's seed.
        config: settings, flattened to dotted keys.
        status: status.json.
        cycles: cycles.csv.
        queries: queries.csv.
        pool: images of the pool by class or label; a multilabel image counts for each of its labels.
    """

    folder: Path
    study: str
    task: str
    model: str
    strategy: str
    seed: int
    config: Mapping[str, Any]
    status: Mapping[str, Any]
    cycles: pd.DataFrame
    queries: pd.DataFrame
    pool: Mapping[str, int]

    @property
    def labelled(self) -> IntArray:
        """Return the labelled images after each cycle (T)."""
        return self.cycles["labelled"].to_numpy(np.int64)

    @property
    def pool_size(self) -> int:
        """Return the number of images in the pool."""
        return int(self.status["data"]["split"]["pool"])

    @property
    def has_classes(self) -> bool:
        """Return whether each image of the pool is of one class, as far as the counts tell."""
        return sum(self.pool.values()) == self.pool_size

    @property
    def is_full_pool(self) -> bool:
        """Return whether the run does nothing but train on the whole pool: a reference, not a strategy."""
        return len(self.cycles) == 1 and int(self.labelled[0]) == self.pool_size

    @property
    def is_labelling(self) -> bool:
        """Return whether people label in the run: a session, which is compared with nothing."""
        return bool(self.status.get("labelling"))

    @property
    def is_bound(self) -> bool:
        """Return whether the run knew labels before it asked for them: an upper bound, not a strategy."""
        return "trials" in (self.config.get("strategy.needs") or [])

    @cached_property
    def starting_set(self) -> frozenset[str]:
        """Return the images of the starting set."""
        return frozenset(self.queries.loc[self.queries["cycle"] == 0, "image"])

    @property
    def seeds_used(self) -> Mapping[str, int]:
        """Return the seeds by what they are for; without that of the split where the data gave it."""
        seeds: Mapping[str, int] = self.status["seeds"]
        return {what: seed for what, seed in seeds.items() if what != "split" or not self.split_is_given}

    def values(self, column: str) -> FloatArray:
        """Return a column of cycles.csv (T)."""
        return self.cycles[column].to_numpy(np.float64)

    def aulc(self, column: str) -> float:
        """Return the area under the learning curve of a column."""
        return aulc(self.labelled, self.values(column))

    def determining(self) -> dict[str, Any]:
        """Return what must be equal for two runs to be compared: settings, data, weights, labelled counts.

        Left out are the strategy and the seed, which are what is compared, and settings that change nothing but
        where things lie.
        """
        own = {"study", "seed", "seeds.start", "seeds.train"}
        settings = {
            key: value
            for key, value in identifying(self.config, self.split_is_given).items()
            if key not in own and key.split(".")[0] != "strategy"
        }
        return {
            **settings,
            **{key: self.status["data"].get(aspect) for key, aspect in DATA_KEYS.items()},
            "weights fingerprint": self.status["weights"],
            "labelled counts": self.labelled.tolist(),
        }

    def data_changes(self, other: Run) -> list[Problem]:
        """Return what differs between this run's data and another one's, as far as the study's records tell."""
        if all(self.status["data"].get(aspect) == other.status["data"].get(aspect) for aspect in COLUMN_OF):
            return []
        before, after = (read_rows(run.data_record) for run in (self, other))
        return changes(before, after) if before and after else []

    @property
    def records_its_data(self) -> bool:
        """Whether the version that made the run kept what its labels, groups and split were."""
        return all(aspect in self.status["data"] for aspect in COLUMN_OF)

    @property
    def split_is_given(self) -> bool:
        """Whether the data gave the split, so that none was drawn."""
        return GIVEN_SPLIT in self.status["data"]

    @property
    def data_record(self) -> Path:
        """The file that says of each image what it was."""
        return self.folder.parents[3] / ".data" / str(self.status["data"].get("record"))

    @property
    def pool_map(self) -> PoolMap | None:
        """The map of the pool, where the study has one of the run's features."""
        name = self.status["data"].get("map")
        return read_map(self.data_record.parent / name) if isinstance(name, str) else None

    def strategy_settings(self) -> dict[str, Any]:
        """Return the settings of the strategy."""
        return {key: value for key, value in self.config.items() if key.split(".")[0] == "strategy"}

    def versions(self) -> list[dict[str, Any]]:
        """Return library versions and the commit of the code, of each part of a run that went on."""
        parts = (*self.status.get(EARLIER_PARTS, ()), self.status)
        return [{**part["versions"], "git commit": part["git_commit"]} for part in parts]


def run_folders(study: Path) -> list[Path]:
    """Return the run directories ``<task>/<model>/<strategy>/seed<k>`` of a study, sorted."""
    found = [path for path in study.glob("*/*/*/seed*") if SEED_FOLDER.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=lambda path: (path.parts[:-1], int(path.name.removeprefix("seed"))))


def find_studies(outputs: Path, studies: Iterable[str]) -> list[Path]:
    """Return the run directories of all studies.

    Raises:
        UserError: a study has none.
    """
    folders = []
    for study in studies:
        found = run_folders(outputs / study)
        if not found:
            there = sorted(path.name for path in outputs.glob("*") if path.is_dir() and run_folders(path))
            raise UserError(
                f"there are no runs in {outputs / study}. Make some with python -m coilal.train study={study} …, "
                f"or name one of the studies in {outputs}: {', '.join(there) or 'there is none'}."
            )
        folders += found
    return folders


def read_runs(folders: Iterable[Path], column: str) -> Iterator[Run | Finding]:
    """Yield each run, or what keeps it from being used.

    Args:
        folders: run directories.
        column: column of cycles.csv that must be there, finite in every cycle.
    """
    for folder in folders:
        try:
            run = _read(folder, column)
            if isinstance(run, Run):
                run.determining(), run.versions(), run.pool_size, run.starting_set
            yield run
        except DamagedError as error:
            yield Finding(place(folder), str(error), LEFT_OUT)
        except _DAMAGED as error:
            yield Finding(place(folder), f"cannot be read: {type(error).__name__}: {error}", LEFT_OUT)


LEFT_OUT = "left out of every comparison"


def place(folder: Path) -> str:
    """Return ``<study>/<task>/<model>/<strategy>/seed<k>``."""
    return "/".join(folder.parts[-5:])


def _read(folder: Path, column: str) -> Run | Finding:
    status = read_status(folder)
    state = status.get("state", "without status.json")
    people = bool(status.get("labelling")) and has_cycles(folder)
    if state != "done" and not people:
        reason = f": {status['error']}" if "error" in status else ""
        return Finding(place(folder), f"not finished ({state}{reason})", LEFT_OUT)
    missing = [name for name in _NEEDED if name not in status]
    if missing:
        return Finding(place(folder), f"status.json lacks {', '.join(missing)}", LEFT_OUT)
    config = read_config(folder / "config.yaml")
    cycles, queries = read_cycles(folder), read_queries(folder)
    absent = [name for name in ("labelled", column) if name not in cycles]
    absent += [name for name in ("cycle", "rank", "image", "label") if name not in queries]
    if absent:
        return Finding(place(folder), f"cycles.csv or queries.csv lacks the column {', '.join(absent)}", LEFT_OUT)
    counts = queries.groupby("cycle").size().cumsum().tolist()
    if counts != cycles["labelled"].tolist() and not people:  # who may be unsure
        what = f"cycles.csv and queries.csv disagree ({cycles['labelled'].tolist()} labelled, {counts} queried)"
        return Finding(place(folder), f"{what}: one of them is damaged", LEFT_OUT)
    if not np.isfinite(cycles[column]).all() and not people:
        return Finding(place(folder), f"{column} is undefined in a cycle", LEFT_OUT)
    study, task, model, strategy, seed = folder.parts[-5:]
    return Run(
        folder=folder,
        study=study,
        task=task,
        model=model,
        strategy=strategy,
        seed=int(seed.removeprefix("seed")),
        config=flatten(config),
        status=status,
        cycles=cycles,
        queries=queries,
        pool=_pool(folder),
    )


def _pool(folder: Path) -> dict[str, int]:
    # By position: a class may be called images.
    with (folder / "splits.csv").open(encoding="utf-8", newline="") as stream:
        (_, _, _, *names), *rows = csv.reader(stream)
    parts = {part: counts for part, _, _, *counts in rows}
    return {name: int(count) for name, count in zip(names, parts["pool"], strict=True)}
