"""Worker processes with tasks of their own; grids in processes are tested in tests/e2e/test_sweep.py."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from omegaconf import OmegaConf

from coilal.common.cli import conf_folder
from coilal.sweep.book import Outcome, exact_now, write_outcome
from coilal.sweep.cells import Cell
from coilal.sweep.processes import Workers
from coilal.sweep.work import Assignment

pytestmark = pytest.mark.slow


class Task:
    """Stands in for a Worker."""

    def __init__(self, cells: list[Assignment], act: Callable[[Assignment], str | None]) -> None:
        self.cells, self.act = cells, act

    def __call__(self, finished: Callable[[int], None]) -> None:
        for assignment in self.cells:
            write_outcome(assignment.cell, Outcome(exact_now(), error=self.act(assignment)))
            finished(assignment.number)


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    started = Workers(tmp_path / "logs", "now")
    yield started
    started.stop()


@pytest.fixture
def start(workers: Workers, tmp_path: Path) -> Callable[..., psutil.Process]:
    """Return a function that starts a worker for cells of the given numbers."""

    def begin(act: Callable[[Assignment], str | None], *numbers: int, **environment: str) -> psutil.Process:
        cells = [Assignment(n, Cell(str(tmp_path), f"t/m/s/seed{n}", (), ""), OmegaConf.create()) for n in numbers]
        return psutil.Process(workers.start(Task(cells, act), 1, environment).process.pid)  # type: ignore[arg-type]

    return begin


def forever(_: Assignment) -> None:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    time.sleep(600)


def test_what_is_done_and_what_failed_is_told_and_the_output_is_in_the_log(
    workers: Workers, start: Callable[..., psutil.Process], caplog: pytest.LogCaptureFixture
) -> None:
    def act(assignment: Assignment) -> str | None:
        print("cell", assignment.number, os.environ["MINE"])
        os.system("echo from a child >&2")
        return "1/0" if assignment.number == 2 else None

    with caplog.at_level(logging.INFO):
        one, other = start(act, 0, 2, MINE="a"), start(act, 1, MINE="b")
        workers.follow()
    told = {record.getMessage() for record in caplog.records}
    log = workers.logs / f"now_{one.pid}.log"
    done = [f"#{n} done: {workers.logs.parent}/t/m/s/seed{n}" for n in (0, 1)]
    assert told == {*done, f"#2 failed: t/m/s/seed2: 1/0; log: {log}"}
    assert log.read_text() == "cell 0 a\nfrom a child\ncell 2 a\nfrom a child\n"
    assert (workers.logs / f"now_{other.pid}.log").read_text().startswith("cell 1 b\n")
    assert workers.ends == {}


def test_the_lines_of_long_work_are_told_here_too(
    workers: Workers, start: Callable[..., psutil.Process], caplog: pytest.LogCaptureFixture
) -> None:
    def act(_: Assignment) -> None:
        from hydra.core.utils import configure_log
        from omegaconf import OmegaConf

        from coilal.common import long_work

        configure_log(OmegaConf.load(Path(conf_folder()) / "hydra" / "job_logging" / "coilal.yaml"))
        long_work.REPORT_S = 0.0
        long_work.LongWork("extracting features", 10).done(5)

    with caplog.at_level(logging.INFO):
        process = start(act, 0)
        workers.follow()
    (line,) = [text for text in caplog.messages if "extracting" in text]
    assert line.startswith(f"process {process.pid}: extracting features: 5 of 10 images, ")
    assert "extracting features: 5 of 10" in (workers.logs / f"now_{process.pid}.log").read_text()


@pytest.mark.parametrize(
    ("act", "end"),
    [
        (lambda _: os.kill(os.getpid(), signal.SIGKILL), "killed by SIGKILL, as it is where memory runs out"),
        (lambda _: sys.exit(3), "ended with exit code 3"),
    ],
)
def test_a_worker_that_ends_early_is_told_with_its_cells_and_the_others_go_on(
    act: Callable[[Assignment], None],
    end: str,
    workers: Workers,
    start: Callable[..., psutil.Process],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        lost = start(act, 0, 2)
        start(lambda _: None, 1, 3)
        workers.follow()
    assert workers.ends == {str(lost.pid): end}
    (error,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert error.startswith(
        f"process {lost.pid} was {end}; not finished: t/m/s/seed0, t/m/s/seed2 (the same command"
    )
    assert sum("done" in record.getMessage() for record in caplog.records) == 2


def test_stopping_ends_workers_and_what_they_have_started(
    workers: Workers, start: Callable[..., psutil.Process]
) -> None:
    def stubborn(assignment: Assignment) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        forever(assignment)

    processes = [start(forever, 0), start(stubborn, 1)]
    until = time.monotonic() + 60
    while not all(process.children() for process in processes):
        assert time.monotonic() < until
        time.sleep(0.05)
    everything = [*processes, *(child for process in processes for child in process.children())]
    workers.stop()
    _, left = psutil.wait_procs(everything, timeout=60)
    assert not left
