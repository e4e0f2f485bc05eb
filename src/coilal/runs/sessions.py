"""The session of a run directory: opened where it was left, also by an earlier version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from coilal.active.journal import Journal
from coilal.active.oracle import Oracle
from coilal.active.outputs import Selection
from coilal.active.session import Session
from coilal.common.machine import wait_for_name
from coilal.common.types import DataError, IntArray, Problem
from coilal.run_directory.health import REPLACE, SESSION, DamagedError, read_state
from coilal.runs.prepare import Prepared


def open_session(folder: Path, prepared: Prepared, oracle: Oracle, cycles: int) -> Session:
    """Return the session of a run directory, a new one if there is none.

    Args:
        folder: the run directory; must exist.
        prepared: the data.
        oracle: tells again what an earlier version has kept without a journal.
        cycles: of the run, that of the starting set included.

    Raises:
        UserError: the journal is damaged, or lacks what finished cycles were trained on or have asked for.
    """
    path = folder / SESSION
    path.parent.mkdir(exist_ok=True)
    wait_for_name(path.parent)
    session = Session(prepared.samples.names, prepared.split.pool, Journal(path, REPLACE))
    state = folder / "checkpoints" / "state.json"
    if state.exists():
        finished, queries = read_state(state)
        if queries:
            try:
                _take_over(session, queries, prepared, oracle)
            except ValueError as error:  # an image twice, a score that is text
                raise DamagedError(state, f"its queries: {error}") from None
        expected = min(len(finished) + 1, cycles)  # each but the last has asked for the next batch
        if len(session.batches) < expected and len(session.unlabelled):
            raise DamagedError(
                path, f"it has {len(session.batches)} batches, and {len(finished)} cycles are finished"
            )
    return session


def ids_in_pool(images: Iterable[str], prepared: Prepared, whose: str) -> IntArray:
    """Return the ids of images by name.

    Args:
        images: names.
        prepared: the data.
        whose: whose images they are, for the message.

    Raises:
        DataError: lists those that are not in the pool.
    """
    pool = {prepared.samples.names[i]: i for i in prepared.split.pool.tolist()}
    images = list(images)
    if lost := tuple(name for name in images if name not in pool):
        raise DataError([Problem(f"images that {whose}, and that are not in the pool of the data of now", lost)])
    return np.array([pool[name] for name in images], dtype=np.int64)


def _take_over(session: Session, queries: Sequence[Mapping[str, Any]], prepared: Prepared, oracle: Oracle) -> None:
    """Ask and tell what an earlier version has recorded, as far as a kill has not let it be done before.

    Its labels are those of now, or the run is refused.
    """
    batches: dict[int, list[Mapping[str, Any]]] = {}
    for query in queries:
        batches.setdefault(query["cycle"], []).append(query)
    missing = sorted(batches.items())[len(session.batches) :]
    if missing:
        oracle.answer(session)
    for _, batch in missing:
        ids = ids_in_pool([query["image"] for query in batch], prepared, "the run has queried")
        scores = np.array([query.get("score") for query in batch], dtype=np.float64)  # None becomes NaN
        session.ask(lambda _, ids=ids, scores=scores: Selection(ids, scores))  # type: ignore[misc]
        oracle.answer(session)
