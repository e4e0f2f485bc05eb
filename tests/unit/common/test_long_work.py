from __future__ import annotations

import time
from threading import Timer

import pytest

from coilal.common import long_work
from coilal.common.long_work import REPORT_S, LongWork, duration, told_if_slow


def test_long_work_says_how_far_it_is_at_most_every_half_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    caplog.set_level("INFO")
    work = LongWork("extracting features", 5000, 1000)
    for _ in range(40):
        clock[0] += 1
        work.done(50)
    assert [record.getMessage() for record in caplog.records] == [
        "extracting features: 2500 of 5000 images, 50 a second, 0:50 left"
    ]
    assert REPORT_S == 30


def test_slow_work_is_told_by_the_minute_and_long_times_in_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    work = LongWork("decoding", 100)
    assert work.line() == "decoding: 0 of 100 images, 0 a minute, -:-- left"
    clock[0] = 100.0
    work.done(10)
    assert work.line() == "decoding: 10 of 100 images, 6 a minute, 15:00 left"
    assert duration(3723) == "1:02:03"


def test_what_is_slow_is_told_once_and_what_is_not_never(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert long_work.SLOW_S == 5
    timers: list[Timer] = []
    monkeypatch.setattr(long_work, "Timer", lambda *given: (timers.append(Timer(*given)), timers[-1])[1])
    monkeypatch.setattr(long_work, "SLOW_S", 0.05)
    caplog.set_level("INFO")
    with told_if_slow("choosing 2 of 9 images"):
        timers[0].join(60)  # it has said so
    assert [record.getMessage() for record in caplog.records] == [
        "choosing 2 of 9 images: it takes more than 0 seconds"
    ]
    caplog.clear()
    monkeypatch.setattr(long_work, "SLOW_S", 600)
    with told_if_slow("choosing 3 of 9 images"):
        assert timers[1].is_alive()
    timers[1].join(60)
    assert not timers[1].is_alive(), "it will not say so later either"
    assert not caplog.records
