from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.report import Cycle, Report, extrapolate
from benchmarks.workload import Network, Training, Workload

POOL = 100
WORKLOAD = Workload("W1", 3, [0, 1, 2], [10, 20, 30, 40], Training(5), Network("n", {}, "w", [0.0], [1.0]))


def cycle(seed: int, labelled: int) -> Cycle:
    """0.2 s a labelled image, 0.01 s a pool image, 0.5 s a query, 1 s an evaluation."""
    last = labelled == WORKLOAD.counts[-1]
    pool = 0 if last else POOL - labelled
    return Cycle(seed, labelled, pool, 0.5, 0.2 * labelled, 0.01 * pool, 0.0 if last else 0.5, 1.0)


def test_extrapolation_gives_the_time_of_the_whole_workload() -> None:
    start_up = 7.0
    everything = [cycle(seed, count) for seed in WORKLOAD.seeds for count in WORKLOAD.counts]
    whole = start_up + sum(one.seconds() for one in everything)
    for cycles in (1, 2, 4):
        part = Report(everything[:cycles])
        wall = start_up + sum(one.seconds() for one in part.cycles)
        assert extrapolate(part, WORKLOAD, wall, POOL) == pytest.approx(whole)


def test_a_report_survives_its_file(tmp_path: Path) -> None:
    report = Report([cycle(0, 10), cycle(1, 10)], {"extract": 1.5}, {"select_s": 0.1})
    report.save(tmp_path / "report.json")
    assert Report.load(tmp_path / "report.json") == report


def test_phases_are_summed_over_cycles() -> None:
    report = Report([cycle(0, 10), cycle(0, 20)], {"extract": 1.5})
    expected = {"extract": 1.5, "fit": 6.0, "infer": 1.7, "select": 1.0, "evaluate": 2.0}
    assert report.phases() == pytest.approx(expected)


def test_timed_adds_up() -> None:
    one = Cycle(0, 10)
    with one.timed("fit"):
        pass
    first = one.fit_s
    with one.timed("fit"):
        sum(range(1000))
    assert 0 < first < one.fit_s
    assert one.seconds() == one.fit_s
