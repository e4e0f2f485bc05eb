from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import process
from benchmarks.parts import Options
from benchmarks.rounds import Entry, row_of, run_rounds


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    outcome = process.run("no_such_contestant", [], tmp_path, 60)
    assert outcome.report is None
    assert "no_such_contestant" in outcome.error


@pytest.mark.parametrize("contestant", process.IMPORTS)
def test_what_a_contestant_imports_in_its_own_processes_is_there(contestant: str) -> None:
    assert (process.REPOSITORY / "benchmarks" / "contestants" / f"{contestant}.py").exists()
    assert all(importlib.util.find_spec(name) for name in process.IMPORTS[contestant].split(", "))


def test_the_clock_starts_after_the_libraries_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "import_untimed", lambda modules: (read.append(modules), time.sleep(2)))
    read: list[str] = []
    start = time.perf_counter()
    outcome = process.run("no_such_contestant", [], tmp_path, 60)
    assert read == ["benchmarks.contestants.no_such_contestant"]
    assert outcome.wall_s < time.perf_counter() - start - 2


@pytest.mark.slow
def test_a_process_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    outcome = process.run("step", ["--contest", ".", "--scratch", "."], tmp_path, 0.01)
    assert outcome.error == "not finished in the time given"


def started(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)


@pytest.mark.skipif(sys.platform != "linux", reason="shared memory is told apart on Linux only")
def test_memory_is_that_of_all_processes_of_the_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "SAMPLE_S", 0.05)
    # Blocks that are made in one piece: a copy would be held twice for a moment, which a sample may meet.
    grandchild = "block = b'x' * 100_000_000; input()"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
    tree = started(f"block = b'x' * 60_000_000; {child}")
    with process.TreeMemory(tree.pid) as memory:
        deadline = time.monotonic() + 120
        while memory.peak_mb <= 160 and time.monotonic() < deadline:
            time.sleep(0.05)
        tree.communicate(b"\n")
    assert 160 < memory.peak_mb < 220


@pytest.mark.skipif(sys.platform != "linux", reason="shared memory is told apart on Linux only")
def test_memory_shared_by_a_fork_is_counted_once() -> None:
    fork = "import os; block = bytearray(b'x') * 100_000_000; os.fork(); print(flush=True); input()"
    tree = subprocess.Popen([sys.executable, "-c", fork], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert tree.stdout is not None
    assert [tree.stdout.readline(), tree.stdout.readline()] == [b"\n", b"\n"]
    found = process.tree_memory(tree.pid) / 1e6
    tree.communicate(b"\n\n")
    assert 100 < found < 150


def test_a_process_that_has_ended_holds_nothing() -> None:
    ended = started("")
    ended.wait()
    assert process.tree_memory(ended.pid) == 0


@pytest.mark.parametrize(
    ("log", "code", "reason"),
    [
        ("Traceback\n  x\nKeyError: 'a'\n\n", 1, "KeyError: 'a'"),
        ("", 3, "exit code 3"),
        ("fine", -9, "killed, most likely out of memory"),
    ],
)
def test_reasons(log: str, code: int, reason: str) -> None:
    assert process.reason(log, code, timed_out=False) == reason


def test_threads_and_cache_of_the_caller_do_not_reach_the_contestants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("COILAL_CACHE", "/somewhere")
    assert not {"OMP_NUM_THREADS", "COILAL_CACHE"} & process.environment().keys()


def test_a_contestant_that_failed_once_is_not_hidden() -> None:
    good, bad = process.Outcome(2.0, 10.0, None, ""), process.Outcome(1.0, 10.0, None, "MemoryError")
    row = row_of("x", [good, bad, good], lambda outcome: outcome.wall_s)
    assert row.seconds == [2.0, 2.0]
    assert row.note == "1 repeat(s) failed: MemoryError"


def test_slow_contestants_run_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []

    def run(contestant: str, *_: object) -> process.Outcome:
        started.append(contestant)
        return process.Outcome(1.0, 1.0, None, "")

    monkeypatch.setattr(process, "run", run)
    entries = [Entry("fast", "fast"), Entry("slow", "slow", once=True)]
    outcomes = run_rounds(entries, tmp_path, 3, Options(tmp_path, 3, None, True, 1, 1.0).timeout_s)
    assert started == ["fast", "slow", "fast", "fast"]
    assert {label: len(found) for label, found in outcomes.items()} == {"fast": 3, "slow": 1}
