"""The model waits for people, and says what it does meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from coilal.labelling.person import Anew, NothingToLearnError, Person
from tests.unit.labelling.sessions import ask, opened


def test_between_two_batches_that_are_answered_it_never_seems_to_wait(tmp_path: Path) -> None:
    there, seen = opened(tmp_path, audit=False), list[str]()
    kept = lambda: seen.append(there.desk.learning)  # noqa: E731
    person = Person(there.desk, there.pool, ("ok", "dent"), lambda: False, 2, kept, waits=False)
    for numbers in ((4, 0), (7, 8)):
        ask(there.pool, *numbers)
        for number in numbers:
            there.desk.tell("eva#1", number, "ok", 1.0, saw_guess=False)
    for batch in (0, 1):
        person.answer(there.pool, batch)
    assert seen == ["learning from batch 1", "learning from batch 2"]
    assert there.desk.learning == "learning from batch 2"
    ask(there.pool, 1, 2)
    with pytest.raises(NothingToLearnError):
        person.answer(there.pool, 2)


def test_a_class_that_comes_while_the_table_is_written_is_not_missed(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4)

    def meanwhile() -> None:
        there.desk.add_class("scratch")
        there.desk.tell("eva#1", 4, "scratch", 1.0, saw_guess=False)

    person = Person(there.desk, there.pool, ("ok", "dent"), lambda: False, 2, meanwhile)
    there.desk.tell("eva#1", 4, "ok", 1.0, saw_guess=False)
    with pytest.raises(Anew):
        person.answer(there.pool, 0)
