from __future__ import annotations

import logging
import time

import pytest

from coilal.data.progress import Progress


def test_the_log_is_told_every_half_minute_how_long_it_takes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress = Progress("decoding", 100, 1300)
    for _ in range(6):
        now[0] += 10
        progress.done(50)
    assert [record.getMessage() for record in caplog.records] == [
        "data: decoding: 250 of 1300 images, about 4 min left",
        "data: decoding: 400 of 1300 images, about 3 min left",
    ]
