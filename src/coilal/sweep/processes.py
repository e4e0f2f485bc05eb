"""Worker processes of this machine, forked from a server that has imported once what all of them need.

A worker writes to a log file, leads a session of its own with whatever it starts (so that Ctrl-C reaches only the
process that started it), and ends when that process ends, in whatever way it does. By hand: the pools of
concurrent.futures and joblib give up all of their processes when one is killed, and none of them has an environment
(its GPU), a session or a log of its own.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import connection, forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import cloudpickle

from coilal.common import long_work, output
from coilal.common.signals import Listener
from coilal.common.types import UserError
from coilal.sweep.book import read_outcome
from coilal.sweep.work import Assignment, Worker

log = logging.getLogger(__name__)

IMPORTS = ["coilal.sweep.server_exit", "coilal.sweep.server_imports"]
# Between asking a worker to end and ending it; a run goes on after its last finished cycle either way.
GRACE_S = 1.0
LONGEST_LINE = 500  # characters; what a pipe takes in one piece is several times that


def start_server() -> None:
    """Start the server if there is none, and return without waiting for its imports."""
    forkserver.set_forkserver_preload(IMPORTS)
    # What is ignored stays ignored in the new process: Ctrl-C must not hit its imports.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass(frozen=True)
class Started:
    """A worker process.

    Attributes:
        process: the process.
        cells: what it is to do.
        log: the file with its output.
    """

    process: ForkServerProcess
    cells: Sequence[Assignment]
    log: Path


class Workers:
    """The worker processes of a launch.

    Args:
        logs: folder of their log files.
        name: what the names of the log files begin with.

    Attributes:
        ends: how processes ended that left cells undone, by process number.
    """

    def __init__(self, logs: Path, name: str) -> None:
        self.logs, self.name = logs, name
        self.started: list[Started] = []
        self.ends: dict[str, str] = {}
        self._told: dict[str, str] = {}  # error → the first cell that it stopped
        # One pipe for all: a message is the number of a cell or a line, and short messages are never mixed up.
        self._reader, self._writer = multiprocessing.Pipe(duplex=False)

    def start(self, worker: Worker, among: int, environment: Mapping[str, str]) -> Started:
        """Start a process.

        Args:
            worker: what it does.
            among: how many processes share the cores.
            environment: environment variables that it has besides those that the server was started with.
        """
        start_server()
        self.logs.mkdir(parents=True, exist_ok=True)
        # cloudpickle: the task function is part of __main__.
        arguments = (cloudpickle.dumps(worker), self.logs, self.name, among, dict(environment), self._writer)
        process = multiprocessing.get_context("forkserver").Process(target=_work, args=arguments)
        process.start()
        assert process.pid is not None
        started = Started(process, worker.cells, _log_file(self.logs, self.name, process.pid))
        self.started.append(started)
        return started

    def follow(self) -> None:
        """Tell of each cell that is done or failed, until all processes have ended."""
        owners = {cell.number: (cell, started) for started in self.started for cell in started.cells}
        running = {started.process.sentinel: started for started in self.started}
        while running:
            ready = connection.wait([self._reader, *running])
            while self._reader.poll():
                message = self._reader.recv()
                if isinstance(message, str):
                    log.info("%s", message)
                else:
                    self._tell(*owners.pop(message))
            for sentinel in running.keys() & set(ready):
                started = running.pop(sentinel)
                self._ended(started, [cell for cell in started.cells if cell.number in owners])

    def stop(self) -> None:
        """End what still runs, and all that it has started."""
        running = [started.process for started in self.started if started.process.is_alive()]
        try:
            _signal(running, signal.SIGTERM)
            until = time.monotonic() + GRACE_S
            for process in running:
                process.join(max(0.0, until - time.monotonic()))
        finally:  # also after a second Ctrl-C
            _signal(running, signal.SIGKILL)
            for process in running:
                process.join()

    def _tell(self, assignment: Assignment, started: Started) -> None:
        number, cell = assignment.number, assignment.cell
        outcome = read_outcome(cell)
        if outcome is None or outcome.error is None:
            log.info("#%d done: %s", number, cell.folder)
            return
        first = self._told.setdefault(outcome.error, cell.name)
        what = outcome.error if first == cell.name else f"as {first}"
        log.error("#%d failed: %s: %s; log: %s", number, cell.name, what, started.log)

    def _ended(self, started: Started, left: Sequence[Assignment]) -> None:
        started.process.join()
        if not left:
            return
        _signal([started.process], signal.SIGKILL)  # what it has started
        code = started.process.exitcode or 0
        why = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        if code == -signal.SIGKILL:
            why += ", as it is where memory runs out"
        self.ends[str(started.process.pid)] = why
        names = ", ".join(assignment.cell.name for assignment in left)
        told = "process %d was %s; not finished: %s (the same command again does them); log: %s"
        log.error(told, started.process.pid, why, names, started.log)


def _signal(processes: Sequence[ForkServerProcess], number: signal.Signals) -> None:
    for process in processes:
        assert process.pid is not None
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:  # it has ended, or is too young to lead a session
            process.kill()


def _log_file(folder: Path, name: str, pid: int) -> Path:
    return folder / f"{name}_{pid}.log"


def _work(
    worker: bytes, logs: Path, name: str, among: int, environment: Mapping[str, str], finished: Connection
) -> None:
    """Be a worker process."""
    from coilal.common.threads import share_cores

    os.setsid()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _write_to(_log_file(logs, name, os.getpid()))
    os.environ.update(environment)
    share_cores(among)
    work: Callable[[Callable[[int], None]], None] = cloudpickle.loads(worker)
    with Listener():  # an exception, so that files are closed and W&B is told
        logging.getLogger(long_work.__name__).addHandler(_ToConsole(finished))
        try:
            work(finished.send)
        except UserError as error:  # how a cell ended could not be recorded
            print(f"error: {error}", flush=True)
            sys.exit(2)


class _ToConsole(logging.Handler):
    """Sends the lines of long work to the process that started this one."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__()
        self._pipe = pipe

    def emit(self, record: logging.LogRecord) -> None:
        self._pipe.send(f"process {os.getpid()}: {record.getMessage()}"[:LONGEST_LINE])


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.killpg(0, signal.SIGKILL)


def _write_to(file: Path) -> None:
    """Send all output to a file, also that of libraries which do not go through Python."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(descriptor, stream.fileno())
    os.close(descriptor)
    output.secure(encoding="utf-8")  # as the log is read, whatever the locale
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
