"""Commands as a user types them, forked from a process that has the libraries imported: a moment each, not seconds.

What a fresh interpreter imports, and how it starts in a shell, a locale or a container, is tested elsewhere.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

context = multiprocessing.get_context("forkserver")


class Command:
    """``python -m`` with what is typed after it; used as ``subprocess.Popen`` is.

    Args:
        typed: module and arguments.
        cwd: where it is typed.
    """

    def __init__(self, *typed: str, cwd: Path) -> None:
        self.typed = typed
        self._folder = tempfile.TemporaryDirectory()
        self._files = [str(Path(self._folder.name) / name) for name in ("out", "err")]
        arguments = (typed, str(cwd), dict(os.environ), self._files)
        self._process = context.Process(target=_run, args=arguments)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def so_far(self) -> str:
        """Return what was written to stdout until now."""
        return _text(self._files[0])

    def wait(self, timeout: float) -> None:
        """Wait for the end, however it comes."""
        self._process.join(timeout)

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Wait for the end; return what was written to stdout and stderr.

        Raises:
            subprocess.TimeoutExpired: it took longer, and was killed.
        """
        self._process.join(timeout)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
            raise subprocess.TimeoutExpired(self.typed, timeout, *map(_text, self._files))
        out, err = map(_text, self._files)
        self._folder.cleanup()
        return out, err


def command(*typed: str, cwd: Path, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Run ``python -m`` with what is typed after it, as ``subprocess.run`` does."""
    process = Command(*typed, cwd=cwd)
    out, err = process.communicate(timeout)
    assert process.returncode is not None
    return subprocess.CompletedProcess(typed, process.returncode, out, err)


def _text(file: str) -> str:
    return Path(file).read_text(encoding="utf-8") if Path(file).exists() else ""


def _run(typed: Sequence[str], cwd: str, environment: dict[str, str], files: Sequence[str]) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for number, file in enumerate(files, start=1):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.path[0:0] = [cwd]
    sys.argv = list(typed)
    try:
        runpy.run_module(typed[0], run_name="__main__", alter_sys=True)
    finally:  # which multiprocessing leaves out
        atexit._run_exitfuncs()
