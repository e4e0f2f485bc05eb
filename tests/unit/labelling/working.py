"""A labelling session whose model learns in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from omegaconf import DictConfig

from coilal.labelling.run import LabellingRun
from coilal.runs.settings import Settings


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
        thread.join(60)
        session._lock.release()  # a lock is of the thread that took it
    assert not thread.is_alive()
    assert [type(error) for error in errors] in ([], [KeyboardInterrupt])


def wait_for(holds: Callable[[], object]) -> None:
    """Wait until something holds, for a minute at most."""
    end = threading.Event()
    for _ in range(1200):
        if holds():
            return
        end.wait(0.05)
    raise AssertionError("it did not come to that")
