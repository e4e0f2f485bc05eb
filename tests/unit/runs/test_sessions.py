"""The session of a run directory, as this version or an earlier one has left it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from coilal.active.journal import Journal
from coilal.active.oracle import Oracle
from coilal.active.session import Session
from coilal.common.types import DataError, Selection
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


def opened(folder: Path) -> Session:
    return open_session(folder, PREPARED, ORACLE, last=5)


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
    state(tmp_path, 1, queries=QUERIES)
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
    with pytest.raises(DamagedError, match=r"session\.jsonl .*0 batches are asked for, .* 2 cycles are finished"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("batches", "told", "cycles", "fits"),
    [
        (1, 1, 1, False),  # the next batch was taken out
        (2, 1, 1, True),
        (2, 2, 1, True),
        (3, 2, 1, True),  # killed before the second cycle was recorded
        (3, 3, 1, False),  # state.json is older than the journal
        (4, 3, 1, False),
        (3, 3, 3, True),  # the last one
        (3, 2, 3, False),
        (4, 3, 2, False),  # of a run with more cycles
    ],
)
def test_the_batches_of_a_journal_are_those_of_the_finished_cycles(
    tmp_path: Path, batches: int, told: int, cycles: int, fits: bool
) -> None:
    state(tmp_path, cycles)
    session = Session(tuple("abcd"), np.arange(4), Journal(tmp_path / SESSION))
    for number in range(batches):
        session.ask(lambda ids: Selection(ids[:1], np.zeros(1)))
        if number < told:
            session.tell({number: "ok"})
    prepared: Any = SimpleNamespace(
        samples=SimpleNamespace(names=tuple("abcd")), split=SimpleNamespace(pool=np.arange(4))
    )
    if fits:
        assert len(open_session(tmp_path, prepared, ORACLE, last=2).batches) == batches
    else:
        with pytest.raises(DamagedError, match=f"{batches} batches are asked for, {told} are answered"):
            open_session(tmp_path, prepared, ORACLE, last=2)
