"""Reads run directories; one that cannot be used is reported, never dropped in silence."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from coilal.common.types import FloatArray, IntArray, Problem, UserError
from coilal.evidence.units import Repeat
from coilal.run_directory.aulc import aulc
from coilal.run_directory.data_record import COLUMN_OF, COLUMNS, GIVEN_SPLIT, changes, read_rows
from coilal.run_directory.files import RunName, has_cycles, read_status, run_folders, study_of
from coilal.run_directory.health import SECTIONS, DamagedError, read_config
from coilal.run_directory.identity import flatten, identifying
from coilal.run_directory.parts import EARLIER_PARTS
from coilal.run_directory.pool_map import PoolMap, read_map
from coilal.run_directory.store import read_asked, read_numbers

# what reading files of unknown content raises; ValueError is that of JSON, CSV and text decoding
_DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError)
DATA_KEYS = {f"data {aspect}": aspect for aspect in COLUMN_OF}
PARTS = "parts"
"""The aspect of the data that differs between splits."""
SECTION = re.compile(r"^(?=[^\s#-])", re.MULTILINE)
"""Where a key of the uppermost level of a yaml file begins."""
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
        study: name of the study; with task, model, strategy, split and seed it names the run.
        task: name of the task.
        model: name of the model.
        strategy: name of the strategy.
        split: number of its split; 0 where the data give the split, so that there is one only.
        seed: the run's seed.
        config: settings, flattened to dotted keys.
        status: status.json.
        cycles: cycles.csv, float64.
        asked: the columns of queries.csv.
        pool: images of the pool by class or label; a multilabel image counts for each of its labels.
    """

    folder: Path
    study: str
    task: str
    model: str
    strategy: str
    split: int
    seed: int
    config: Mapping[str, Any]
    status: Mapping[str, Any]
    cycles: pd.DataFrame
    asked: Mapping[str, Sequence[Any]]
    pool: Mapping[str, int]

    @property
    def repeat(self) -> Repeat:
        """Return what the run's partner in a pair has, too."""
        return Repeat(self.split, self.seed)

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

    @property
    def queries(self) -> pd.DataFrame:
        """Return queries.csv: made anew each time, for tables of many runs take much memory."""
        return pd.DataFrame(dict(self.asked))

    @cached_property
    def starting_set(self) -> frozenset[str]:
        """Return the images of the starting set."""
        pairs = zip(self.asked["cycle"], self.asked["image"], strict=True)
        return frozenset(image for cycle, image in pairs if cycle == 0)

    @property
    def seeds_used(self) -> Mapping[str, int]:
        """Return the seeds by what they are for; without that of the split where the data gave it."""
        seeds: Mapping[str, int] = self.status["seeds"]
        return {what: seed for what, seed in seeds.items() if what != "split" or not self.split_is_given}

    def values(self, column: str) -> FloatArray:
        """Return a column of cycles.csv (T)."""
        values: FloatArray = self._values[:, self.cycles.columns.get_loc(column)]
        return values

    @cached_property
    def _values(self) -> FloatArray:
        return self.cycles.to_numpy(np.float64)

    def aulc(self, column: str) -> float:
        """Return the area under the learning curve of a column."""
        return aulc(self.labelled, self.values(column))

    def determining(self) -> Mapping[str, Any]:
        """Return what must be equal for two runs to be compared: settings, data, weights, labelled counts.

        Left out are strategy, split and seed, which are what is compared, and settings that change nothing but
        where things lie.
        """
        return self._determining

    @cached_property
    def _determining(self) -> Mapping[str, Any]:
        own = {"study", "split", "seed", "seeds.split", "seeds.start", "seeds.train"}
        settings = {
            key: value
            for key, value in identifying(self.config, self.split_is_given).items()
            if key not in own and key.split(".")[0] != "strategy"
        }
        return {
            **settings,
            **{key: self.status["data"].get(aspect) for key, aspect in DATA_KEYS.items() if aspect != PARTS},
            "weights fingerprint": self.status["weights"],
            "labelled counts": self.labelled.tolist(),
        }

    def division(self) -> Mapping[str, Any]:
        """Return what must be equal for two runs of one split to be compared: the part of each image."""
        return {key: self.status["data"].get(aspect) for key, aspect in DATA_KEYS.items() if aspect == PARTS}

    def data_changes(self, other: Run) -> list[Problem]:
        """Return what differs between this run's data and another one's, as far as the study's records tell.

        Between runs of different splits that is not the part of an image.
        """
        compared = [aspect for aspect in COLUMN_OF if aspect != PARTS or self.split == other.split]
        if all(self.status["data"].get(aspect) == other.status["data"].get(aspect) for aspect in compared):
            return []
        before, after = (read_rows(run.data_record) for run in (self, other))
        columns = [column for column in COLUMNS[1:] if column != COLUMN_OF[PARTS] or self.split == other.split]
        return changes(before, after, columns) if before and after else []

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
        return study_of(self.folder) / ".data" / str(self.status["data"].get("record"))

    @property
    def pool_map(self) -> PoolMap | None:
        """The map of the pool, where the study has one of the run's features."""
        name = self.status["data"].get("map")
        return read_map(self.data_record.parent / name) if isinstance(name, str) else None

    def strategy_settings(self) -> Mapping[str, Any]:
        """Return the settings of the strategy."""
        return {key: value for key, value in self.config.items() if key.split(".")[0] == "strategy"}

    def versions(self) -> list[dict[str, Any]]:
        """Return library versions and the commit of the code, of each part of a run that went on."""
        parts = (*self.status.get(EARLIER_PARTS, ()), self.status)
        return [{**part["versions"], "git commit": part["git_commit"]} for part in parts]


def find_studies(outputs: Path, studies: Iterable[str]) -> list[Path]:
    """Return the run directories of all studies.

    Raises:
        UserError: a study has none.
    """
    folders: list[Path] = []
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
    """Return ``<study>/<task>/<model>/<strategy>/split<j>/seed<k>``."""
    study = study_of(folder)
    return f"{study.name}/{folder.relative_to(study).as_posix()}"


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
    config = _settings(folder / "config.yaml")
    cycles, asked = read_numbers(folder), read_asked(folder)
    if column not in cycles:
        return Finding(place(folder), f"cycles.csv lacks the column {column}", LEFT_OUT)
    counted = Counter(asked["cycle"])
    counts = [*accumulate(counted[cycle] for cycle in sorted(counted))]
    if counts != cycles["labelled"].tolist() and not people:  # who may be unsure
        labelled = [int(count) for count in cycles["labelled"]]
        what = f"cycles.csv and queries.csv disagree ({labelled} labelled, {counts} queried)"
        return Finding(place(folder), f"{what}: one of them is damaged", LEFT_OUT)
    if not np.isfinite(cycles[column]).all() and not people:
        return Finding(place(folder), f"{column} is undefined in a cycle", LEFT_OUT)
    study = study_of(folder)
    name = RunName.of(folder.relative_to(study).as_posix())
    assert name is not None
    return Run(
        folder=folder,
        study=study.name,
        task=name.task,
        model=name.model,
        strategy=name.strategy,
        split=0 if GIVEN_SPLIT in status["data"] else int(status["seeds"]["split"]),
        seed=name.seed,
        config=config,
        status=status,
        cycles=cycles,
        asked=asked,
        pool=_pool(folder),
    )


def _settings(path: Path) -> dict[str, Any]:
    """Return config.yaml, flattened.

    Most runs differ from one another in few of its sections: each is parsed once.
    """
    try:
        sections = SECTION.split(path.read_text(encoding="utf-8"))
        found = [_section(text) for text in sections if text.strip()]
    except (ValueError, AttributeError, yaml.YAMLError):
        return flatten(read_config(path))  # says what is wrong
    config = {key: value for section in found for key, value in section.items()}
    if {key.partition(".")[0] for key in config} >= set(SECTIONS):
        return config
    return flatten(read_config(path))


@lru_cache(maxsize=4096)
def _section(text: str) -> Mapping[str, Any]:
    return flatten(yaml.load(text, Loader=yaml.CSafeLoader))


def _pool(folder: Path) -> dict[str, int]:
    # By position: a class may be called images.
    with (folder / "splits.csv").open(encoding="utf-8", newline="") as stream:
        (_, _, _, *names), *rows = csv.reader(stream)
    parts = {part: counts for part, _, _, *counts in rows}
    return {name: int(count) for name, count in zip(names, parts["pool"], strict=True)}
