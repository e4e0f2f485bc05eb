"""The run directory: what a run leaves, written so that a kill at any moment loses no finished cycle."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from coilal.run_directory.files import write_atomically
from coilal.run_directory.health import SESSION, DamagedError, read_object, read_state
from coilal.run_directory.tables import as_csv

Row = dict[str, float]


class Query(TypedDict):
    """A row of queries.csv: an image that was asked for.

    Attributes:
        cycle: the first cycle that is trained on it, 0 for the starting set.
        rank: place in its batch, best first, from 0.
        image: its name.
        score: the strategy's, None where it computes none.
        label: what was told of it: a class name, or names of labels joined by ``+``; empty without a label.
    """

    cycle: int
    rank: int
    image: str
    score: float | None
    label: str


def read_cycles(folder: Path) -> pd.DataFrame:
    """Return cycles.csv of a run directory, one row a cycle.

    Raises:
        DamagedError: it cannot be read.
    """
    return _read_table(folder / "cycles.csv", ("cycle", "labelled"))


def read_queries(folder: Path) -> pd.DataFrame:
    """Return queries.csv of a run directory, one row a queried image.

    Raises:
        DamagedError: it cannot be read.
    """
    settings: dict[str, Any] = {"dtype": {"image": str, "label": str}, "keep_default_na": False}
    return _read_table(folder / "queries.csv", ("cycle", "rank", "image", "label"), **settings)


def _read_table(path: Path, needed: Sequence[str], **settings: Any) -> pd.DataFrame:
    try:
        table: pd.DataFrame = pd.read_csv(path, encoding="utf-8", **settings)
    except ValueError as error:  # pandas' own errors, and text that is not UTF-8
        raise DamagedError(path, str(error).strip().partition("\n")[0]) from None
    absent = [name for name in needed if name not in table]
    if absent:
        raise DamagedError(path, f"it lacks the column {', '.join(absent)}")
    return table


class RunStore:
    """Keeps the finished cycles of one run.

    ``checkpoints/state.json`` is the record: it is replaced in one step when a cycle is finished, and the
    CSV files are derived from it and from the session. Every cycle starts from the same initial weights, so that
    the labels that were told are all that a resumed run needs. The record alone is waited for in every cycle, until
    it is on the disk; what the next cycle writes anew is waited for after the last one.

    Args:
        folder: the run directory; must exist.
        queries: gives all images that were asked for: the rows of queries.csv, and those of a batch that is not
            trained on yet.
        may_differ: whether what was asked for may have changed since: people take whole parts into a batch, and
            remove files.

    Raises:
        DamagedError: the record cannot be read, or is of other images than the session has asked for.
    """

    def __init__(self, folder: Path, queries: Callable[[], Sequence[Query]], may_differ: bool = False) -> None:
        self.folder = folder
        self.queries = queries
        self.checkpoints = folder / "checkpoints"
        self.checkpoints.mkdir(exist_ok=True)
        self.rows: list[Row] = []
        self._tables_s = 0.0  # what the tables of the last row took to write
        path = self.checkpoints / "state.json"
        if path.exists():
            self.rows, _ = read_state(path)
            recorded = self._recorded()
            asked = _digest(recorded)
            kept = read_object(path).get("asked", asked)  # earlier versions did not write it
            if kept != asked and not may_differ:
                raise DamagedError(folder / SESSION, "the finished cycles were trained on other images")
            self._write_tables(recorded)

    @property
    def finished(self) -> int:
        """Return the number of finished cycles."""
        return len(self.rows)

    def commit(self, row: Row, predictions: Mapping[str, Any], model: Callable[[], bytes] | None) -> None:
        """Record a finished cycle.

        The row gets ``write_s``, the seconds spent on writing since the row before was recorded: that row's own
        entry in the tables, and the predictions and weights of this one.

        Args:
            row: the row of cycles.csv.
            predictions: arrays for predictions.npz.
            model: gives the trained weights in safetensors format, for the last cycle.
        """
        start = time.perf_counter()
        last = model is not None
        buffer = io.BytesIO()
        save = np.savez_compressed if last else np.savez  # the next cycle replaces it
        save(buffer, **predictions)
        write_atomically(self.folder / "predictions.npz", buffer.getvalue(), durable=last)
        if model is not None:
            write_atomically(self.checkpoints / "model.safetensors", model())
        written = time.perf_counter()
        self.rows.append({**row, "write_s": self._tables_s + written - start})
        recorded = self._recorded()
        state = {"cycles": self.rows, "asked": _digest(recorded)}
        write_atomically(self.checkpoints / "state.json", json.dumps(state))
        self._write_tables(recorded, durable=last)
        self._tables_s = time.perf_counter() - written

    def cycles(self) -> pd.DataFrame:
        """Return the finished cycles, one row each."""
        return pd.DataFrame(self.rows)

    def _recorded(self) -> list[Query]:
        """Return the queries of finished cycles: a batch counts once the model trained on it is recorded."""
        return [query for query in self.queries() if query["cycle"] < self.finished]

    def _write_tables(self, recorded: Sequence[Query], durable: bool = True) -> None:
        write_atomically(self.folder / "cycles.csv", as_csv(self.rows), durable)
        table = as_csv(recorded, list(Query.__annotations__))
        write_atomically(self.folder / "queries.csv", table, durable)


def _digest(queries: Sequence[Query]) -> str:
    """Return a digest of the images of queries, in their order."""
    images = [query["image"] for query in queries]
    return hashlib.sha256(json.dumps(images).encode()).hexdigest()[:16]
