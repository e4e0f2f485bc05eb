"""Items that are made in a thread of their own, before they are asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

_END: Any = object()


def ahead(items: Generator[T], most: int) -> Generator[T]:
    """Yield items in their order; up to ``most`` after the one in use are made meanwhile, in one other thread.

    All of ``items`` runs in that thread, its beginning and its end, too: what torch keeps for each thread
    (autocast, no_grad, the current stream) belongs inside of it. Its errors are raised here, in their place. An
    item is begun only when the one that stands ``most`` + 1 before it is no longer in use, so that they may share
    ``most`` + 1 buffers in turn.

    Args:
        items: closed at the end, whatever that is.
        most: at least 1.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        under_way: deque[Future[T]] = deque(thread.submit(next, items, _END) for _ in range(most))
        try:
            while (item := under_way.popleft().result()) is not _END:
                under_way.append(thread.submit(next, items, _END))
                yield item
        finally:
            for future in under_way:
                future.cancel()
            thread.submit(items.close).result()
