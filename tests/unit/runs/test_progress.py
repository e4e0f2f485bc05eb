from __future__ import annotations

import io
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from coilal.runs import progress as module
from coilal.runs.progress import RunProgress

METRIC = "test/macro_f1"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """A clock that stands still unless its one entry is changed."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def plain() -> Console:
    return Console(file=io.StringIO(), width=50)


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=140, _environ={"TERM": "xterm"})


def text(console: Console) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue())


def rows(number: int, **columns: float) -> pd.DataFrame:
    labelled = [20 + 10 * i for i in range(number)]
    fixed = {"cycle": range(number), "labelled": labelled, METRIC: 0.5, "fit_s": 1.25, "infer_s": 0.5}
    return pd.DataFrame(fixed | columns)


def test_without_a_terminal_one_line_a_cycle(clock: list[float]) -> None:
    console = plain()
    with RunProgress("coils/entropy/seed0", 2, METRIC, console) as progress:
        for cycle in range(3):
            progress.phase("fit")
            clock[0] += 45
            progress.cycle_done(cycle, 20 + 10 * cycle, {METRIC: 0.5 + cycle / 10, "test/accuracy": 0.9})
            assert len(console.file.getvalue().splitlines()) == cycle + 1  # flushed at once, one line
    assert console.file.getvalue().splitlines() == [
        "coils/entropy/seed0  cycle 0/2  20 labelled  test/macro_f1 0.500  1:30 left",
        "coils/entropy/seed0  cycle 1/2  30 labelled  test/macro_f1 0.600  0:45 left",
        "coils/entropy/seed0  cycle 2/2  40 labelled  test/macro_f1 0.700  0:00 left",
    ]


def test_a_resumed_run_starts_at_its_cycle_and_times_only_its_own(clock: list[float]) -> None:
    console = plain()
    with RunProgress("r", 9, METRIC, console, first=7) as progress:
        clock[0] += 3600
        progress.cycle_done(7, 90, {METRIC: 0.5})
    assert console.file.getvalue() == "r  cycle 7/9  90 labelled  test/macro_f1 0.500  2:00:00 left\n"


def test_the_bar_shows_cycle_phase_count_metric_and_time(clock: list[float]) -> None:
    console = terminal()
    with RunProgress("[b]name", 4, METRIC, console, first=2) as progress:
        progress.phase("extract")
        progress._bar.refresh()
        assert re.search(r"\[b\]name .* cycle 2/4 extract .*-:-- left", text(console))
        clock[0] += 10
        progress.cycle_done(2, 50, {METRIC: 0.123})
        progress.phase("select")
        clock[0] += 4  # the time left goes down between cycles too
        progress._bar.refresh()
        assert re.search(r"cycle 3/4 select +50 labelled  test/macro_f1 0.123 0:16 left", text(console))
    assert progress._bar.finished is False


@pytest.mark.parametrize("share", ["test/accuracy", "test/exact_match"])
def test_where_people_label_the_terminal_measures_as_their_page_does(share: str) -> None:
    console = plain()
    with RunProgress("line3", None, METRIC, console) as progress:
        progress.cycle_done(3, 96, {METRIC: 0.5, share: 0.875})
    assert console.file.getvalue() == f"line3  learnt from 96 labels  {share} 0.875\n"


def test_where_people_label_neither_cycles_nor_an_end_are_shown() -> None:
    console, lines = terminal(), plain()
    told = [96]
    with RunProgress("line3", None, METRIC, console, told=lambda: f"{told[0]} labels") as progress:
        progress.cycle_done(3, 96, {METRIC: 0.5})
        progress.phase("waiting for answers")
        told[0] = 109
        progress._bar.refresh()
    shown = text(console)
    assert "line3 109 labels waiting for answers learnt from 96 labels  test/macro_f1 0.500" in shown
    assert "cycle" not in shown
    assert "left" not in shown
    with RunProgress("line3", None, METRIC, lines) as progress:
        progress.cycle_done(3, 96, {METRIC: 0.5})
        progress.cycle_done(4, 1, {METRIC: 0.5})
    assert lines.file.getvalue() == (
        "line3  learnt from 96 labels  test/macro_f1 0.500\nline3  learnt from 1 label  test/macro_f1 0.500\n"
    )


def test_a_finished_bar_stays_at_the_last_cycle() -> None:
    console = terminal()
    with RunProgress("r", 1, METRIC, console) as progress:
        progress.cycle_done(0, 5, {METRIC: 0.1})
        progress.cycle_done(1, 9, {METRIC: 0.2})
    assert progress._bar.finished
    assert "cycle 1/1          9 labelled" in text(console)


def test_log_lines_go_above_the_bar_and_handlers_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    handler, elsewhere = logging.StreamHandler(out), logging.StreamHandler(io.StringIO())
    logger = logging.getLogger("coilal.test_progress")
    logger.addHandler(handler)
    logger.addHandler(elsewhere)
    try:
        console = Console(file=out, force_terminal=True, width=140, _environ={"TERM": "xterm"})
        with RunProgress("r", 1, METRIC, console) as progress:
            assert handler.stream is not out
            progress._bar.refresh()
            out.truncate(0)
            logger.warning("something happened")
            written = out.getvalue()
            # rich takes the bar away first, then writes the line, then the bar again
            assert re.search(r"\x1b\[2K.*something happened *\n.*cycle 0/1", written, re.DOTALL)
        assert handler.stream is out
        assert sys.stdout is out
        assert elsewhere.stream.getvalue() == "something happened\n"
    finally:
        logger.removeHandler(handler)
        logger.removeHandler(elsewhere)


def test_a_stream_to_a_file_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    out, file = Terminal(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", file)
    with RunProgress("r", 1, METRIC, Console(file=out, force_terminal=True, _environ={"TERM": "xterm"})):
        print("a warning", file=sys.stderr)
    assert file.getvalue() == "a warning\n"
    assert "a warning" not in out.getvalue()


def test_an_error_passes_and_the_terminal_is_given_back() -> None:
    console = terminal()

    def fails() -> None:
        with RunProgress("r", 1, METRIC, console) as progress:
            progress.phase("fit")
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fails()
    assert console.file.getvalue().rstrip("\n").endswith("\x1b[?25h")  # the cursor is shown again
    assert "cycle 0/1 fit" in text(console)


@pytest.mark.parametrize("make", [plain, terminal])
def test_closing_table(make) -> None:
    console = make()
    where = Path("outputs/a long/path that/is wider than/the console/curve.png")
    with RunProgress("r", 2, METRIC, console) as progress:
        progress.closing_table(rows(3), where)
    lines = text(console).splitlines()
    assert any(re.search(r"labelled.*macro_f1.*seconds", line) for line in lines)
    assert any(re.search(r"\b2\b.*\b40\b.*0\.500.*1\.8", line) for line in lines)
    assert f"learning curve: {where}" in lines


def test_closing_table_shows_companions_of_the_metric() -> None:
    console = Console(file=io.StringIO(), width=80)  # what a log file gets
    RunProgress("r", 2, METRIC, console).closing_table(
        rows(
            3,
            **{
                "test/accuracy": 0.75,
                "val/exact_match": 0.1,
                "test/escape_rate": float("nan"),
                "test/overkill_rate": 0.2,
            },
        ),
        Path("c.png"),
    )
    assert re.search(r"labelled +macro_f1 +accuracy +escape_rate +seconds", text(console))
    assert "0.750" in text(console)
    assert "nan" in text(console)
    assert "exact_match" not in text(console)


def test_a_long_run_is_thinned_and_says_so() -> None:
    console = terminal()
    RunProgress("r", 100, METRIC, console).closing_table(rows(101), Path("c.png"))
    shown = [int(found) for found in re.findall(r"^\W+(\d+) ", text(console), re.MULTILINE)]
    assert len(shown) == 15
    assert (shown[0], shown[-1]) == (0, 100)
    assert "15 of 101 cycles" in text(console)
