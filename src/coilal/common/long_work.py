"""Long work says how far it is: a line in the log at most every half minute, with the time left.

A worker process of a grid sends these lines to the console of the grid as well (``coilal.sweep.processes``).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

log = logging.getLogger(__name__)

REPORT_S = 30.0
SLOW_S = 5.0


class LongWork:
    """Tells how far some work is.

    Args:
        doing: what is done, ``extracting features``.
        total: the number of images.
        done: how many of them were done before.
    """

    def __init__(self, doing: str, total: int, done: int = 0) -> None:
        self.doing, self.total = doing, total
        self.first = self.finished = done
        self.began = self.said = time.monotonic()

    def done(self, images: int) -> None:
        """Count some images; say so if it is time to."""
        self.finished += images
        now = time.monotonic()
        if now - self.said >= REPORT_S:
            self.said = now
            log.info("%s", self.line())

    def rate(self) -> float:
        """Return images a second."""
        return (self.finished - self.first) / max(time.monotonic() - self.began, 1e-9)

    def line(self) -> str:
        """Return ``extracting features: 1200 of 5000 images, 85 a second, 0:45 left``."""
        rate = self.rate()
        left = duration((self.total - self.finished) / rate) if rate else "-:--"
        speed = f"{rate:.0f} a second" if rate >= 1 else f"{60 * rate:.0f} a minute"
        return f"{self.doing}: {self.finished} of {self.total} images, {speed}, {left} left"


@contextmanager
def told_if_slow(doing: str) -> Iterator[None]:
    """Say once what is done in the context, if it takes longer than five seconds.

    Args:
        doing: what is done, ``choosing 100 of 1000000 images``.
    """
    timer = Timer(SLOW_S, log.info, ("%s: it takes more than %.0f seconds", doing, SLOW_S))
    timer.daemon = True  # a process that ends does not wait for it
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def duration(seconds: float) -> str:
    """Return seconds as ``0:45`` or ``1:02:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
