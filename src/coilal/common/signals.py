"""How a process ends that is told to: by Ctrl-C, by SIGTERM (kill, a batch system, a container) or by SIGHUP.

Each of them raises an exception in the main thread, so that files are closed and processes end that this one has
started. Whatever holds that up (a pool's threads that decode large images, a library that waits for a network) is
cut off after ``PATIENCE_S``: a run goes on after its last finished cycle either way.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE_S = 1.5


class Ended(SystemExit):
    """The process was told to end by a signal other than Ctrl-C; the exit code is what a shell makes of it."""

    def __init__(self, number: int) -> None:
        super().__init__(exit_code(number))
        self.signal = signal.Signals(number)


def exit_code(number: int) -> int:
    """Return the exit code of a process that a signal has ended: 130 for Ctrl-C, 143 for SIGTERM."""
    return 128 + number


def ends_the_job(error: BaseException) -> bool:
    """Return whether submitit ends the job: out of time, and requeued too often. No run has failed by that.

    It raises an Exception, from the handler of a signal, wherever the process is.
    """
    submitit = sys.modules.get("submitit.core.utils")
    return submitit is not None and isinstance(error, submitit.UncompletedJobError)


def ended_by(error: BaseException) -> signal.Signals | None:
    """Return the signal that is behind an exception which ends the process, None if there is none.

    Lightning makes a SystemExit of Ctrl-C, and what is going on may fail in its own way (a pool that has lost its
    processes to the same signal).
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, KeyboardInterrupt):
            return signal.SIGINT
        if isinstance(cause, Ended):
            return cause.signal
        cause = cause.__context__
    return None


def farewell(number: int, arguments: Sequence[str]) -> str:
    """Return the line that says how a command goes on that a signal has ended.

    Args:
        number: the signal.
        arguments: those of the command.
    """
    what = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
    # With it, the same command would begin anew.
    forced = any(argument.lstrip("+").lower() == "force=true" for argument in arguments)
    return f"{what}; the same command{' without force=true' if forced else ''} goes on where this one stopped"


class Listener:
    """Context manager in which the main thread hears the signals that end a process.

    What was ignored from outside stays ignored (nohup). Once the process has been told to end, it stays deaf to
    further signals behind the context, so that nothing interrupts its way out.

    Args:
        patience_s: seconds after which whatever holds up the end is cut off.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._told: int | None = None  # the signal
        self._saying = threading.Lock()  # taken by who says the last line
        self._said = threading.Event()

    def __enter__(self) -> Self:
        """Listen."""
        self._before = {number: signal.getsignal(number) for number in ENDING}
        self._heard = [number for number, handler in self._before.items() if handler is not signal.SIG_IGN]
        if threading.current_thread() is not threading.main_thread():
            self._heard = []  # signals are for the main thread alone
            return self
        reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        # The numbers of signals go through the pipe even while the main thread is busy outside of Python.
        self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        threading.Thread(target=self._cut_off, args=(reader,), name="signals", daemon=True).start()
        for number in self._heard:
            signal.signal(number, self._raise)
        atexit.register(self._leave)  # before all that is imported later, so that it is called after all of that
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the signals to who had them before."""
        if self._told is not None or not self._heard:
            return
        atexit.unregister(self._leave)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._writer)
        for number in self._heard:
            signal.signal(number, self._before[number])

    @property
    def told(self) -> signal.Signals | None:
        """The signal that has told the process to end, whatever became of its exception: libraries swallow some."""
        return None if self._told is None else signal.Signals(self._told)

    def say_farewell(self, number: int) -> None:
        """Say on standard error how the command goes on, unless that is said already."""
        if self._saying.acquire(blocking=False):
            with suppress(OSError):  # the terminal is gone
                print(farewell(number, sys.argv[1:]), file=sys.stderr, flush=True)
            self._said.set()

    def _raise(self, number: int, _frame: object) -> None:
        if self._saying.locked():  # it is on its way out
            return
        self._told = number
        threading.excepthook = lambda _: None  # a pool's own threads complain of processes that end
        sys.unraisablehook = lambda _: None  # and Python, where it was calling back of what is thrown away
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise Ended(number)

    def _leave(self) -> None:
        """End without taking the libraries apart, which takes seconds; files are closed, and all have been told."""
        if self._told is not None:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError):
                    stream.flush()
            os._exit(exit_code(self._told))

    def _cut_off(self, reader: int) -> None:
        """Wait for a signal, and end the process for good some time after it."""
        while numbers := os.read(reader, 1):
            if numbers[0] in self._heard:
                break
        else:
            os.close(reader)
            return
        time.sleep(self._patience_s)
        with suppress(OSError):
            if os.isatty(1):
                os.write(1, b"\x1b[?25h")  # a progress display has hidden the cursor
            if self._saying.acquire(blocking=False):
                os.write(2, f"{farewell(numbers[0], sys.argv[1:])}\n".encode())
            else:  # the main thread is at it
                self._said.wait(self._patience_s)
        os._exit(exit_code(numbers[0]))


def in_pool_process() -> None:
    """Initialise a process of a pool: Ctrl-C is its parent's affair, and it ends when that has ended in any way."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


@contextmanager
def pool_of_processes(pool: ProcessPoolExecutor) -> Iterator[None]:
    """Use a pool of processes; if what uses it ends early, do not wait for what they are doing."""
    import multiprocessing  # not before a Listener is there: at exit, what was imported last is called first

    with pool:
        try:
            yield
        except BaseException:
            for process in multiprocessing.active_children():
                process.kill()
            raise


def _end_with_parent() -> None:
    import multiprocessing

    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
