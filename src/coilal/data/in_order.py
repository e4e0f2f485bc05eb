"""Work shared by the threads or processes of a pool; results in order, only a few ahead of who takes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


_BYTES = 1 << 24  # of a result


def at_a_time(most: int, image_bytes: int) -> int:
    """Return how many images are done at a time, at most ``most``: results that wait must not fill the memory."""
    return max(1, min(most, _BYTES // image_bytes))


def in_order(
    pool: Executor, work: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Generator[Result]:
    """Yield ``work(item)`` of each item in order.

    Unlike ``Executor.map``, which begins all items at once, this holds no more than ``ahead`` results in memory,
    however slow the disk is that takes them.

    Args:
        pool: does the work.
        work: what is done with an item.
        items: what is worked on.
        ahead: items that are begun before their results are asked for, 1 or more.
    """
    begun: deque[Future[Result]] = deque()
    try:
        for item in items:
            begun.append(pool.submit(work, item))
            if len(begun) >= ahead:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        for future in begun:
            future.cancel()
