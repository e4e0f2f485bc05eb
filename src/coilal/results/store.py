"""The run directory: what a run leaves, written so that a kill at any moment loses no finished cycle."""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from coilal.types import IntArray, Selection, UserError

Row = dict[str, float]


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that readers, and a restart after a kill, see the old content or the new one."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(partial, path)


def lock(folder: Path) -> FileLock:
    """Return the acquired lock of a run directory; the system releases it when the process ends.

    Raises:
        UserError: another process holds it.
    """
    file_lock = FileLock(folder / ".lock")
    try:
        file_lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"another process is working in {folder}; wait for it, or give this run another study=…"
        ) from None
    return file_lock


def read_status(folder: Path) -> dict[str, Any]:
    """Return status.json of a run directory, {} where there is none."""
    path = folder / "status.json"
    status: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return status


def write_status(folder: Path, status: Mapping[str, Any]) -> None:
    """Write status.json."""
    write_atomically(folder / "status.json", json.dumps(status, indent=2, ensure_ascii=False) + "\n")


def read_cycles(folder: Path) -> pd.DataFrame:
    """Return cycles.csv of a run directory, one row a cycle."""
    return pd.read_csv(folder / "cycles.csv")


def read_queries(folder: Path) -> pd.DataFrame:
    """Return queries.csv of a run directory, one row a queried image."""
    return pd.read_csv(
        folder / "queries.csv",
        dtype={"image": str, "label": str},
        keep_default_na=False,
    )


class RunStore:
    """Keeps the finished cycles of one run.

    ``checkpoints/state.json`` is the record: it is replaced in one step when a cycle is finished, and the
    CSV files are derived from it. Every cycle starts from the same initial weights, so that the labelled
    images are all that a resumed run needs.

    Args:
        folder: the run directory; must exist.
        names: image names by id.
        label_text: ids → what queries.csv says of their labels.
    """

    def __init__(self, folder: Path, names: Sequence[str], label_text: Callable[[IntArray], Sequence[str]]) -> None:
        self.folder = folder
        self.names = names
        self.label_text = label_text
        self.checkpoints = folder / "checkpoints"
        self.checkpoints.mkdir(exist_ok=True)
        self.rows: list[Row] = []
        self.queries: list[dict[str, Any]] = []
        path = self.checkpoints / "state.json"
        if path.exists():
            state = json.loads(path.read_text())
            self.rows, self.queries = state["cycles"], state["queries"]
            self._write_tables()

    @property
    def finished(self) -> int:
        """Return the number of finished cycles."""
        return len(self.rows)

    def batches(self) -> list[list[str]]:
        """Return the image names of each batch that is already bought, the starting set first."""
        by_cycle: dict[int, list[str]] = {}
        for query in self.queries:
            by_cycle.setdefault(query["cycle"], []).append(query["image"])
        return [by_cycle[cycle] for cycle in sorted(by_cycle)]

    def queried(self, cycle: int, selection: Selection) -> None:
        """Note the images that enter the labelled set with ``cycle``; kept with the next commit."""
        labels = self.label_text(selection.ids)
        for rank, (image, score) in enumerate(zip(selection.ids, selection.scores, strict=True)):
            self.queries.append(
                {
                    "cycle": cycle,
                    "rank": rank,
                    "image": self.names[image],
                    "score": None if math.isnan(score) else float(score),
                    "label": labels[rank],
                }
            )

    def commit(self, row: Row, predictions: Mapping[str, Any], model: Callable[[], bytes] | None) -> None:
        """Record a finished cycle.

        Args:
            row: the row of cycles.csv.
            predictions: arrays for predictions.npz.
            model: gives the trained weights in safetensors format, for the last cycle.
        """
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **predictions)
        write_atomically(self.folder / "predictions.npz", buffer.getvalue())
        if model is not None:
            write_atomically(self.checkpoints / "model.safetensors", model())
        self.rows.append(row)
        state = {"cycles": self.rows, "queries": self.queries}
        write_atomically(self.checkpoints / "state.json", json.dumps(state, ensure_ascii=False))
        self._write_tables()

    def cycles(self) -> pd.DataFrame:
        """Return the finished cycles, one row each."""
        table = pd.DataFrame(self.rows)
        return table.astype({"cycle": int, "labelled": int}) if self.rows else table

    def _write_tables(self) -> None:
        write_atomically(self.folder / "cycles.csv", self.cycles().to_csv(index=False))
        # a cycle's batch belongs to the table once the model trained on it is recorded
        recorded = [query for query in self.queries if query["cycle"] < self.finished]
        columns = ["cycle", "rank", "image", "score", "label"]
        write_atomically(self.folder / "queries.csv", pd.DataFrame(recorded, columns=columns).to_csv(index=False))
