"""A labelling session whose model learns in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from omegaconf import DictConfig

from coilal.labelling.run import LabellingRun
from coilal.runs.settings import Settings

PATIENCE_S = 300.0
"""Seconds for what takes a few on an idle machine."""


@contextmanager
def working(cfg: DictConfig) -> Iterator[LabellingRun]:
    """Let a session learn in a thread, as the page's main thread does."""
    session = LabellingRun(Settings.of(cfg))
    errors: list[BaseException] = []

    def work() -> None:
        try:
            session.work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield session
    finally:
        session.stop()
        thread.join(PATIENCE_S)
        session._lock.release()  # a lock is of the thread that took it
    assert not thread.is_alive()
    assert [type(error) for error in errors] in ([], [KeyboardInterrupt])


def wait_for(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)
