"""Does what was sent twice once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")

REMEMBERED = 10_000
"""Requests that are known again; a page sends none before the one before it is answered."""


class Once(Generic[T]):
    """Remembers what came of a request, for when it is sent again; thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: OrderedDict[str, Future[T]] = OrderedDict()

    def do(self, key: str, work: Callable[[], T]) -> T:
        """Return what the work returns, and do it only if it was not done under this key before.

        Work that fails is forgotten, and done when it is asked for again.

        Args:
            key: of the request; "" for one that is never sent twice.
            work: what is to be done.
        """
        if not key:
            return work()
        with self._lock:
            known = self._known.get(key)
            if known is None:
                mine = self._known[key] = Future()
                if len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
        if known is not None:
            return known.result()
        try:
            result = work()
        except BaseException as error:
            with self._lock:
                self._known.pop(key, None)
            mine.set_exception(error)
            raise
        mine.set_result(result)
        return result
