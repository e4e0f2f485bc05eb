"""Work shared by a pool, in order."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from coilal.data.in_order import at_a_time, in_order


def test_fewer_large_images_are_done_at_a_time() -> None:
    assert [at_a_time(64, size) for size in (10, 1 << 20, 1 << 30)] == [64, 16, 1]


@pytest.mark.parametrize("ahead", [1, 3, 100])
def test_results_come_in_order(ahead: int) -> None:
    def later_first(item: int) -> int:
        time.sleep(0.002 * (10 - item))
        return -item

    with ThreadPoolExecutor(4) as pool:
        assert list(in_order(pool, later_first, range(10), ahead)) == [-item for item in range(10)]


def test_no_more_is_begun_than_asked_for() -> None:
    begun: list[int] = []
    with ThreadPoolExecutor(4) as pool:
        results = in_order(pool, begun.append, range(100), ahead=5)
        next(results)
        time.sleep(0.05)
        assert len(begun) <= 5
        results.close()
    assert len(begun) <= 5


def test_an_error_of_the_work_is_raised_in_its_place() -> None:
    with ThreadPoolExecutor(2) as pool:
        results = in_order(pool, lambda item: 1 // item, [1, 1, 0, 1], ahead=4)
        assert next(results) == 1
        assert next(results) == 1
        with pytest.raises(ZeroDivisionError):
            next(results)
