"""The session of a run directory, as this version or an earlier one has left it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from coilal.active.oracle import Oracle
from coilal.active.outputs import Selection
from coilal.active.session import Session
from coilal.common.types import DataError, UserError
from coilal.run_directory.health import SESSION, DamagedError
from coilal.runs.sessions import open_session

NAMES = ("a.png", "b.png", "c.png", "d.png")
PREPARED: Any = SimpleNamespace(
    samples=SimpleNamespace(names=NAMES), split=SimpleNamespace(pool=np.array([0, 1, 3]))
)
ORACLE = Oracle(np.array([0, 1, 1, 0]), ("gap", "ok"))
QUERIES = [
    {"cycle": 0, "rank": 0, "image": "d.png", "score": None, "label": "gap"},
    {"cycle": 1, "rank": 0, "image": "b.png", "score": 0.3, "label": "ok"},
    {"cycle": 1, "rank": 1, "image": "a.png", "score": 0.1, "label": "gap"},
]


def opened(folder: Path, cycles: int = 2) -> Session:
    return open_session(folder, PREPARED, ORACLE, cycles)


def state(folder: Path, cycles: int, **more: Any) -> None:
    rows = [{"cycle": cycle, "labelled": cycle + 1} for cycle in range(cycles)]
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "state.json").write_text(json.dumps({"cycles": rows, **more}))


def test_a_new_run_has_an_empty_session_and_the_next_process_goes_on_with_it(tmp_path: Path) -> None:
    session = opened(tmp_path)
    assert session.batches == ()
    session.ask(lambda ids: Selection(ids[:1], np.zeros(1)))
    assert opened(tmp_path).pending.tolist() == [0]


def test_what_an_earlier_version_has_recorded_is_taken_over_once(tmp_path: Path) -> None:
    state(tmp_path, 2, queries=QUERIES)
    for session in (opened(tmp_path), opened(tmp_path)):
        assert [batch.ids.tolist() for batch in session.batches] == [[3], [1, 0]]
        np.testing.assert_array_equal(session.batches[0].scores, [np.nan])
        np.testing.assert_array_equal(session.batches[1].scores, [0.3, 0.1])
        assert session.labelled[1] == ["gap", "ok", "gap"]
    assert len((tmp_path / SESSION).read_text().splitlines()) == 5


@pytest.mark.parametrize("lines", [2, 3, 4])
def test_a_kill_while_it_is_taken_over_loses_nothing(tmp_path: Path, lines: int) -> None:
    state(tmp_path, 1, queries=QUERIES)
    opened(tmp_path)
    journal = tmp_path / SESSION
    whole = journal.read_text()
    journal.write_text("".join(whole.splitlines(keepends=True)[:lines]))
    ORACLE.answer(opened(tmp_path))  # as the loop does for the batch of its cycle
    assert journal.read_text() == whole


def test_an_image_that_an_earlier_version_has_queried_must_still_be_in_the_pool(tmp_path: Path) -> None:
    state(tmp_path, 1, queries=[{**QUERIES[0], "image": "c.png"}])
    with pytest.raises(DataError, match=r"(?s)not in the pool.*c\.png"):
        opened(tmp_path)


def test_a_journal_that_lacks_what_cycles_were_trained_on_is_refused(tmp_path: Path) -> None:
    state(tmp_path, 2)
    with pytest.raises(DamagedError, match=r"session\.jsonl .*it has 0 batches, and 2 cycles are finished"):
        opened(tmp_path)


def test_a_journal_that_lacks_the_batch_that_the_last_finished_cycle_asked_for_is_refused(tmp_path: Path) -> None:
    for image in (0, 3):
        session = opened(tmp_path)
        session.ask(lambda _, image=image: Selection(np.array([image]), np.zeros(1)))  # type: ignore[misc]
        ORACLE.answer(session)
    (tmp_path / "checkpoints" / "state.json").write_text(
        json.dumps({"cycles": [{"cycle": 0, "labelled": 1}, {"cycle": 1, "labelled": 2}]})
    )
    assert len(opened(tmp_path, cycles=2).batches) == 2
    with pytest.raises(DamagedError, match="it has 2 batches, and 2 cycles are finished"):
        opened(tmp_path, cycles=3)


def test_a_damaged_journal_is_told_with_the_way_out(tmp_path: Path) -> None:
    opened(tmp_path).ask(lambda ids: Selection(ids[:1], np.zeros(1)))
    with (tmp_path / SESSION).open("a") as stream:
        stream.write("{}\n")
    with pytest.raises(UserError, match=r"session\.jsonl is damaged \(line 3: .*force=true"):
        opened(tmp_path)


@pytest.mark.parametrize(
    "queries", [[QUERIES[0], QUERIES[0]], [QUERIES[0], {**QUERIES[1], "score": "high"}]], ids=["twice", "text"]
)
def test_queries_that_no_earlier_version_has_recorded_are_damage(tmp_path: Path, queries: list[Any]) -> None:
    state(tmp_path, 1, queries=queries)
    with pytest.raises(DamagedError, match=r"state\.json is damaged \(its queries: "):
        opened(tmp_path)
