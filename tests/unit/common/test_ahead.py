from __future__ import annotations

import threading
from collections.abc import Generator

import pytest

from coilal.common.ahead import ahead


class Counted:
    """Numbers, with a note of how many were begun, in which threads, and whether they were closed."""

    def __init__(self, fails_at: int = -1) -> None:
        self.begun, self.threads, self.closed, self.fails_at = 0, set[int](), False, fails_at
        self.reached = threading.Condition()

    def __call__(self, count: int) -> Generator[int]:
        try:
            for number in range(count):
                with self.reached:
                    self.begun += 1
                    self.reached.notify_all()
                self.threads.add(threading.get_ident())
                if number == self.fails_at:
                    raise ValueError("wrong")
                yield number
        finally:
            self.threads.add(threading.get_ident())
            self.closed = True

    def wait_for(self, begun: int) -> None:
        with self.reached:
            assert self.reached.wait_for(lambda: self.begun >= begun, timeout=30)


@pytest.mark.parametrize("count", [0, 1, 10])
@pytest.mark.parametrize("most", [1, 3])
def test_the_order_stays(count: int, most: int) -> None:
    items = Counted()
    assert list(ahead(items(count), most)) == list(range(count))
    assert items.closed
    assert len(items.threads) == 1
    assert items.threads != {threading.get_ident()}


def test_items_are_made_while_one_is_used_and_not_too_many() -> None:
    items = Counted()
    for number in ahead(items(20), 2):
        items.wait_for(min(20, number + 3))  # this one, and two more
        assert items.begun <= number + 3


def test_an_error_comes_in_its_place() -> None:
    items = ahead(Counted(fails_at=3)(10), 2)
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="wrong"):
        next(items)


def test_who_stops_early_closes_them() -> None:
    items = Counted()
    used = ahead(items(100), 2)
    assert next(used) == 0
    used.close()
    assert items.closed
    assert items.begun <= 3
    assert len(items.threads) == 1, "closed in their own thread"
