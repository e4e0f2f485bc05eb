"""One progress display for a run or a stack of runs: a live bar on a terminal, one plain line a cycle elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Table
from rich.text import Text

from coilal.common.long_work import duration
from coilal.run_directory.columns import is_duration

MOST_ROWS = 15
SHARES = ("accuracy", "exact_match")  # of images that are right: of a class, of all labels
COMPANIONS = (*SHARES, "escape_rate")


class RunProgress:
    """Context manager that shows how far a run is, or several that are trained side by side.

    Log lines and warnings written to the terminal meanwhile appear above the bar.

    Args:
        run_name: what is shown in front.
        cycles: the last cycle's number, ``budget.cycles``; the starting set is cycle 0. None where people label
            until they stop: then neither cycles nor the time left are shown.
        metric: the metric to show, a key of what ``cycle_done`` gets, e.g. ``test/macro_f1``; where people label,
            the share of images that are right is shown instead, as their page does.
        console: where to; standard output by default.
        first: cycles that are done already, of all runs together; above 0 where one is resumed.
        runs: how many there are.
        told: says how much people have told so far, for who watches the terminal.
    """

    def __init__(
        self,
        run_name: str,
        cycles: int | None,
        metric: str,
        console: Console | None = None,
        first: int = 0,
        runs: int = 1,
        told: Callable[[], str] | None = None,
    ) -> None:
        self._name = run_name
        self._is_planned, self._cycles = cycles is not None, cycles or 0
        self._metric = self._shown = metric
        self._console = console or Console()
        self._clock = _Clock(left=runs * (self._cycles + 1) - first)
        self._runs, self._done = runs, first
        self._cycle: tuple[int, int] = -1, 0  # the cycle that is being reported, and its labelled images
        self._values: list[float] = []  # the metric of each run that has reported it
        self._moved: list[tuple[logging.StreamHandler[TextIO], TextIO]] = []
        self._bar: Progress | None = None
        if self._console.is_interactive:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                *(self._planned() if self._is_planned else _unplanned(told)),
                console=self._console,
                refresh_per_second=4,
                # A stream that goes to a file must not be pulled onto the terminal.
                redirect_stdout=sys.stdout.isatty(),
                redirect_stderr=sys.stderr.isatty(),
            )
            self._task = self._bar.add_task(
                run_name,
                total=runs * (self._cycles + 1),
                completed=first,
                cycle=min(first // runs, self._cycles),
                last=self._cycles,
                phase="",
                status="",
            )

    def __enter__(self) -> Self:
        """Show the bar."""
        self._clock.start()
        if self._bar is not None:
            streams = sys.stdout, sys.stderr
            self._bar.start()
            self._redirect_logging(streams)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the bar as it stands, also after an error: it tells where the run was."""
        self._stop()

    def _planned(self) -> list[ProgressColumn]:
        return [
            BarColumn(bar_width=20),
            TextColumn("cycle {task.fields[cycle]}/{task.fields[last]}"),
            TextColumn("{task.fields[phase]:<8}", style="cyan"),
            TextColumn("{task.fields[status]}", markup=False),
            _TimeLeft(self._clock),
        ]

    def phase(self, name: str) -> None:
        """Show what is being done now: decode, extract, fit, infer, select, evaluate, write or wait for answers."""
        if name.startswith("extract"):
            self._clock.start()  # done once: it says nothing of the cycles
        if self._bar is not None:
            self._bar.update(self._task, phase=name)

    def cycle_done(self, cycle: int, labelled: int, metrics: Mapping[str, float]) -> None:
        """Show a finished cycle.

        Args:
            cycle: its number, 0 for the starting set.
            labelled: images labelled in it and before.
            metrics: its metrics, with the one to show among them.
        """
        self._clock.cycle_done()
        self._done += 1
        if (cycle, labelled) != self._cycle:
            self._report()
            self._cycle = cycle, labelled
        self._shown = self._metric if self._is_planned else _as_the_page_says(metrics, self._metric)
        self._values.append(metrics[self._shown])
        if self._bar is not None:
            following = min(self._done // self._runs, self._cycles)
            self._bar.update(self._task, completed=self._done, cycle=following, phase="", status=self._status())
        if len(self._values) == self._runs:
            self._report()

    def _report(self) -> None:
        """Print the line of a cycle that its runs have reported, and begin a new one."""
        if self._values and self._bar is None:
            cycle, left = self._cycle[0], self._clock.time_left()
            planned = f"cycle {cycle}/{self._cycles}  {self._status()}  {left} left"
            self._print(f"{self._name}  {planned if self._is_planned else self._status()}")
        self._values = []

    def _status(self) -> str:
        values = f"{self._values[0]:.3f}"
        if self._runs > 1:
            values = f"{min(self._values):.3f} to {max(self._values):.3f} ({len(self._values)} runs)"
        number = self._cycle[1]
        learnt_from = "1 label" if number == 1 else f"{number} labels"
        labelled = f"{number} labelled" if self._is_planned else f"learnt from {learnt_from}"
        return f"{labelled}  {self._shown} {values}"

    def closing_table(self, rows: pd.DataFrame, where: Path) -> None:
        """Print the cycles as a compact table, at most 15 of them, and where the curve lies.

        Args:
            rows: one row a cycle: ``cycle``, ``labelled``, metrics, and the seconds of each phase in the
                columns that end in ``_s``.
            where: the learning curve's file.
        """
        self._stop()
        shown = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).round().astype(int))
        metrics = _metrics_shown(rows, self._metric)
        seconds = rows[[name for name in rows if is_duration(str(name))]].sum(axis=1)
        some = f" ({len(shown)} of {len(rows)} cycles)" if len(shown) < len(rows) else ""
        part = self._metric.rpartition("/")[0]
        # No frame, so that the table fits into the 80 columns of a log file.
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for name in ("cycle", "labelled", *metrics, "seconds"):
            table.add_column(Text(name.removeprefix(f"{part}/")), justify="right")
        for index in shown:
            row = rows.iloc[index]
            values = [f"{row[name]:.3f}" for name in metrics]
            table.add_row(f"{row['cycle']:.0f}", f"{row['labelled']:.0f}", *values, f"{seconds.iloc[index]:.1f}")
        self._print(f"{self._name}: {part}{some}")
        self._console.print(table)
        self._print(f"learning curve: {where}")

    def closing_line(self, name: str, rows: pd.DataFrame, where: Path) -> None:
        """Print in one line how one of several runs has ended, and where its curve lies."""
        self._stop()
        last = rows.iloc[-1]
        self._print(f"{name}: {self._metric} {last[self._metric]:.3f} at {last['labelled']:.0f} labelled; {where}")

    def _stop(self) -> None:
        self._report()
        if self._bar is not None:
            self._bar.stop()
            for handler, stream in self._moved:
                handler.setStream(stream)
            self._moved.clear()

    def _redirect_logging(self, streams: tuple[TextIO, TextIO]) -> None:
        """Let handlers that hold the terminal itself write through the bar, which now stands in for it."""
        stand_in = {
            id(old): new for old, new in zip(streams, (sys.stdout, sys.stderr), strict=True) if old is not new
        }
        for handler in _stream_handlers():
            if id(handler.stream) in stand_in:
                self._moved.append((handler, handler.stream))
                handler.setStream(stand_in[id(handler.stream)])

    def _print(self, line: str) -> None:
        # soft_wrap: a line stays one line however narrow the console, so that logs can be searched
        self._console.print(line, soft_wrap=True, markup=False, highlight=False)


class _Clock:
    """Time left, from the mean time of the cycles done in this process."""

    def __init__(self, left: int) -> None:
        self._left = left
        self._done = 0
        self._started = self._last = time.monotonic()

    def start(self) -> None:
        self._started = self._last = time.monotonic()

    def cycle_done(self) -> None:
        self._done += 1
        self._left -= 1
        self._last = time.monotonic()

    def seconds_left(self) -> float | None:
        """Return the seconds left, or None before the first cycle is done."""
        if self._done == 0:
            return None
        mean = (self._last - self._started) / self._done
        return max(0.0, self._left * mean - (time.monotonic() - self._last))

    def time_left(self) -> str:
        """Return the time left, ``-:--`` where it is not known."""
        seconds = self.seconds_left()
        return "-:--" if seconds is None else duration(seconds)


class _TimeLeft(ProgressColumn):
    max_refresh = 0.5

    def __init__(self, clock: _Clock) -> None:
        super().__init__()
        self._clock = clock

    def render(self, task: Task) -> Text:  # noqa: ARG002 (rich's signature)
        return Text(f"{self._clock.time_left()} left")


class _Told(ProgressColumn):
    max_refresh = 1.0

    def __init__(self, told: Callable[[], str]) -> None:
        super().__init__()
        self._told = told

    def render(self, task: Task) -> Text:  # noqa: ARG002 (rich's signature)
        return Text(self._told())


def _unplanned(told: Callable[[], str] | None) -> list[ProgressColumn]:
    """Return what is shown where nobody knows the end: how much is told, what goes on, what was learnt."""
    return [
        *([_Told(told)] if told else []),
        TextColumn("{task.fields[phase]}", style="cyan", markup=False),
        TextColumn("{task.fields[status]}", markup=False),
    ]


def _as_the_page_says(metrics: Mapping[str, float], metric: str) -> str:
    """Return the name of the share of images that are right, that of the metric where there is no such share."""
    part = metric.rpartition("/")[0]
    return next((name for share in SHARES if (name := f"{part}/{share}") in metrics), metric)


def _metrics_shown(rows: pd.DataFrame, metric: str) -> list[str]:
    part = metric.rpartition("/")[0]
    companions = [f"{part}/{name}" if part else name for name in COMPANIONS]
    return [metric, *(name for name in companions if name in rows and name != metric)]


def _stream_handlers() -> list[logging.StreamHandler[TextIO]]:
    """Return the stream handlers of all loggers, the root's among them."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    handlers = {handler for logger in loggers if isinstance(logger, logging.Logger) for handler in logger.handlers}
    return [handler for handler in handlers if isinstance(handler, logging.StreamHandler)]
