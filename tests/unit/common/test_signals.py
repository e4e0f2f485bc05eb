"""How processes end that are told to; whole runs and grids are ended in tests/e2e/test_sweep.py."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from coilal.common.signals import ENDING, Ended, Listener, ended_by

LINE = "{}; the same command goes on where this one stopped\n"
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
WORDS = {
    signal.SIGINT: "interrupted", signal.SIGTERM: "ended by SIGTERM", signal.SIGHUP: "ended by SIGHUP"
}  # fmt: skip

ORDERLY = "time.sleep(600)"
# A pool whose threads work on, as when large images are decoded.
HELD_UP = """
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(1) as pool:
        pool.submit(time.sleep, 600).result()
"""
SWALLOWED = """
    while True:
        try:
            time.sleep(600)
        except BaseException:
            pass
"""
# Python calls back, and whatever is raised there goes no further.
CALLED_BACK = """
    import weakref
    class Thing: pass
    thing = Thing()
    reference = weakref.ref(thing, lambda _: time.sleep(600))
    del thing
    time.sleep(600)
"""
# Whoever runs the tests may ignore some (nohup, a command behind &).
HEARS_ALL = """
import signal
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
"""
DONE_ALL_THE_SAME = """
    try:
        time.sleep(600)
    except BaseException:
        pass
"""
# The terminal is slow, or so is the machine: the line is begun in time, and not said when patience ends.
SLOW_TO_SAY = """
    import sys
    write = sys.stderr.write
    sys.stderr.write = lambda text: (time.sleep(0.9), write(text))[1]
    time.sleep(600)
"""
BODIES = {
    "orderly": ORDERLY, "held up": HELD_UP, "swallowed": SWALLOWED, "called back": CALLED_BACK,
    "slow to say": SLOW_TO_SAY, "done all the same": DONE_ALL_THE_SAME,
}  # fmt: skip


def child(body: str, *before: str, first: str = "") -> subprocess.Popen[str]:
    code = f"""{first}
import time
from coilal.common.cli import run_main
def main():
    print("ready", flush=True)
    {body}
run_main(main)
"""
    process = subprocess.Popen(
        [*before, sys.executable, "-c", code], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.slow
@pytest.mark.parametrize("number", ENDING)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_process_ends_soon_with_the_code_of_its_signal_whatever_holds_it_up(
    body: str, number: signal.Signals
) -> None:
    process = child(body, first=HEARS_ALL)
    start = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == CODES[number]
    assert err == LINE.format(WORDS[number])
    assert time.monotonic() - start < 10, "on a busy machine; it is told to end after 1.5 s"


@pytest.mark.slow
def test_what_is_ignored_from_outside_stays_ignored() -> None:
    process = child("time.sleep(2)", "nohup")
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err


def test_a_listener_that_was_not_needed_leaves_everything_as_it_was() -> None:
    before = [signal.getsignal(number) for number in ENDING]
    with Listener():
        assert [signal.getsignal(number) for number in ENDING] != before
    assert [signal.getsignal(number) for number in ENDING] == before


def test_the_signal_behind_another_error_is_found() -> None:
    error = RuntimeError("the pool is broken")
    error.__context__ = Ended(signal.SIGTERM)
    assert ended_by(error) is signal.SIGTERM
    assert ended_by(SystemExit(1)) is None
