from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from coilal.labelling.page import once
from coilal.labelling.page.once import Once


def test_what_is_asked_twice_is_done_once_even_at_the_same_time() -> None:
    work: Once[int] = Once()
    done: list[int] = []
    begun, may_end = threading.Event(), threading.Event()

    def slow() -> int:
        begun.set()
        may_end.wait(10)
        done.append(1)
        return 7

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(work.do, "a", slow)
        begun.wait(10)
        second = pool.submit(work.do, "a", slow)
        may_end.set()
        assert (first.result(), second.result()) == (7, 7)
    assert done == [1]


def test_what_failed_is_done_again() -> None:
    work: Once[int] = Once()
    with pytest.raises(ZeroDivisionError):
        work.do("a", lambda: 1 // 0)
    assert work.do("a", lambda: 5) == 5


def test_without_a_key_everything_is_done() -> None:
    work: Once[int] = Once()
    assert [work.do("", lambda: 1), work.do("", lambda: 2)] == [1, 2]


def test_only_the_last_ones_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "REMEMBERED", 2)
    work: Once[int] = Once()
    for number, key in enumerate("abc"):
        work.do(key, lambda number=number: number)  # type: ignore[misc]
    assert work.do("c", lambda: 9) == 2
    assert work.do("a", lambda: 9) == 9
