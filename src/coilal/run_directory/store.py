"""The run directory: what a run leaves, written so that a kill at any moment loses no finished cycle."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np
import pandas as pd

from coilal.run_directory.files import write_atomically
from coilal.run_directory.health import SESSION, DamagedError, read_object, read_state
from coilal.run_directory.tables import as_csv

Row = dict[str, float]

_TEXTS = ("image", "label", "prediction", "true")  # columns of queries.csv; a class may be called 2026


class Query(TypedDict):
    """A row of queries.csv: an image that was asked for.

    Attributes:
        cycle: the first cycle that is trained on it, 0 for the starting set.
        rank: place in its batch, best first, from 0.
        image: its name.
        score: the strategy's, None where it computes none.
        label: what was told of it: a class name, or names of labels joined by ``+``; empty without a label.
        prediction: what the model took it for that asked for it, before it was told, written as the label is; empty
            where no model has chosen it: in the starting set, and of views that people took into a batch.
        confidence: the model's probability of that class; of labels the least sure one's max(p, 1 − p).
        true: of runs whose oracle errs: its true label where another one was told, else empty.
    """

    cycle: int
    rank: int
    image: str
    score: float | None
    label: str
    prediction: str
    confidence: float | None
    true: NotRequired[str]


def read_cycles(folder: Path) -> pd.DataFrame:
    """Return cycles.csv of a run directory, one row a cycle.

    Raises:
        DamagedError: it cannot be read.
    """
    return _read_table(folder / "cycles.csv", ("cycle", "labelled"))


def read_queries(folder: Path) -> pd.DataFrame:
    """Return queries.csv of a run directory, one row a queried image.

    Of earlier versions it has no columns ``prediction`` and ``confidence``.

    Raises:
        DamagedError: it cannot be read.
    """
    settings: dict[str, Any] = {"dtype": dict.fromkeys(_TEXTS, str), "keep_default_na": False}
    return _read_table(folder / "queries.csv", ("cycle", "rank", "image", "label"), **settings)


def read_numbers(folder: Path) -> pd.DataFrame:
    """Return cycles.csv as ``read_cycles`` does, all of it float64, in a tenth of its time.

    Raises:
        DamagedError: it cannot be read.
    """
    path = folder / "cycles.csv"
    header, rows = _read_rows(path, ("cycle", "labelled"))
    try:
        numbers = [[float(cell) if cell else math.nan for cell in row] for row in rows]
    except ValueError as error:
        raise DamagedError(path, str(error)) from None
    return pd.DataFrame(np.array(numbers, dtype=np.float64).reshape(-1, len(header)), columns=header)


def read_asked(folder: Path) -> dict[str, list[Any]]:
    """Return the columns of queries.csv, as ``read_queries`` does in ten times the time; an empty number is None.

    Raises:
        DamagedError: it cannot be read.
    """
    path = folder / "queries.csv"
    header, rows = _read_rows(path, ("cycle", "rank", "image", "label"))
    columns: dict[str, list[Any]] = dict(zip(header, ([*cells] for cells in zip(*rows, strict=True)), strict=False))
    columns = {name: columns.get(name, []) for name in header}
    try:
        columns |= {name: [int(cell) for cell in columns[name]] for name in ("cycle", "rank")}
        if "score" in columns:
            columns["score"] = [float(cell) if cell else None for cell in columns["score"]]
        if "confidence" in columns:
            columns["confidence"] = [_confidence(cell) for cell in columns["confidence"]]
    except ValueError as error:
        raise DamagedError(path, str(error)) from None
    # the same images in many runs: one text each
    return columns | {name: [sys.intern(cell) for cell in columns[name]] for name in _TEXTS if name in columns}


@lru_cache(maxsize=16384)  # four digits: in many runs the same numbers, one object each
def _confidence(cell: str) -> float | None:
    return float(cell) if cell else None


def _read_rows(path: Path, needed: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of a table, all as long as the header."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            header, *rows = csv.reader(stream, strict=True)
    except (ValueError, csv.Error) as error:  # no line at all, or text that is not UTF-8
        raise DamagedError(path, str(error)) from None
    _check_columns(path, header, needed)
    if uneven := [number for number, row in enumerate(rows, 2) if len(row) != len(header)]:
        raise DamagedError(path, f"line {uneven[0]} has not as many cells as the first one")
    return header, rows


def _read_table(path: Path, needed: Sequence[str], **settings: Any) -> pd.DataFrame:
    try:
        table: pd.DataFrame = pd.read_csv(path, encoding="utf-8", **settings)
    except ValueError as error:  # pandas' own errors, and text that is not UTF-8
        raise DamagedError(path, str(error).strip().partition("\n")[0]) from None
    _check_columns(path, table.columns, needed)
    return table


def _check_columns(path: Path, there: Iterable[str], needed: Sequence[str]) -> None:
    absent = sorted(set(needed) - set(there), key=list(needed).index)
    if absent:
        raise DamagedError(path, f"it lacks the column {', '.join(absent)}")


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
        table = as_csv(recorded, _columns(recorded))
        write_atomically(self.folder / "queries.csv", table, durable)


def _columns(queries: Sequence[Query]) -> list[str]:
    """Return the columns of queries.csv: those that every run has, and those of some that these rows have."""
    names = [name for name in Query.__annotations__ if name != "true"]
    return [*names, "true"] if any("true" in query for query in queries) else names


def _digest(queries: Sequence[Query]) -> str:
    """Return a digest of the images of queries, in their order."""
    images = [query["image"] for query in queries]
    return hashlib.sha256(json.dumps(images).encode()).hexdigest()[:16]
