"""How far the decoding of many images is, told to the log every half minute."""

from __future__ import annotations

import logging
import time

log = logging.getLogger(__name__)

_REPORT_S = 30.0


class Progress:
    """Counts images that are done.

    Args:
        doing: what is done with them, as ``decoding``.
        start: images that were done before.
        total: all images.
    """

    def __init__(self, doing: str, start: int, total: int) -> None:
        self.doing, self.start, self.finished, self.total = doing, start, start, total
        self._began = self._said = time.monotonic()

    def done(self, images: int) -> None:
        """Count some more; tell of it if half a minute has passed."""
        self.finished += images
        now = time.monotonic()
        if now - self._said < _REPORT_S:
            return
        self._said = now
        left = (now - self._began) / max(self.finished - self.start, 1) * (self.total - self.finished)
        log.info("data: %s: %d of %d images, about %s left", self.doing, self.finished, self.total, _clock(left))


def _clock(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
