from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from coilal.evidence.analysis import analyse
from coilal.evidence.comparison import compare
from coilal.evidence.desk import Desk
from coilal.evidence.extrapolation import LearningCurve, Need, labels_needed
from coilal.evidence.forecast import forecast, going_on
from coilal.evidence.outlook import Brought, outlook
from coilal.evidence.plots import looks_of
from coilal.evidence.reading import Run, find_studies, read_runs
from coilal.evidence.report_settings import ReportSettings
from tests.studies import Simulated, write_study

SETTINGS = ReportSettings(resamples=100)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    labelled = range(20, 161, 20)
    write_study(tmp_path / "s", Simulated({"random": 0.0, "margin": 0.03}, range(6), labelled=labelled))
    runs = [run for run in read_runs(find_studies(tmp_path, ["s"]), SETTINGS.column) if isinstance(run, Run)]
    (found,), _ = compare(runs, "random")
    return Desk(analyse(found, SETTINGS), tmp_path, looks_of("random", found.runs), None)


def with_target(desk: Desk, target: float) -> Desk:
    return replace(desk, analysis=replace(desk.analysis, settings=replace(SETTINGS, targets=(target,))))


def test_without_a_target_it_is_what_the_best_strategy_reaches(desk: Desk) -> None:
    section = forecast(desk)
    assert section is not None
    table = pd.read_csv(desk.folder / "forecast.csv")
    assert table["strategy"].tolist() == ["random"]
    curves = {name: desk.comparison.unit_curves(name, SETTINGS.column) for name in ("random", "margin")}
    assert curves["margin"].mean(axis=0).max() - 0.01 < table["target"][0] <= curves["margin"].mean(axis=0).max()
    need = labels_needed(LearningCurve.of(desk.comparison.labelled, curves["random"]), table["target"][0])
    (name, shown), *_ = section.tables
    assert name == "forecast"
    if isinstance(need, Need):
        assert shown["labels, at least"][0].startswith(f"{need.labels:.0f} [")
    else:
        assert shown["because"][0] == need.reason


def test_what_cannot_be_said_comes_with_the_reason(desk: Desk) -> None:
    section = forecast(with_target(desk, 0.999))
    assert section is not None
    ((_, shown),) = section.tables
    assert shown["strategy"].tolist() == ["random", "margin"]
    assert set(shown["labels, at least"]) == {"–"}
    assert all(shown["because"].str.endswith("."))


def test_targets_that_all_have_reached_need_no_forecast(desk: Desk) -> None:
    assert forecast(with_target(desk, 0.4)) is None


def test_the_next_batches_are_expected_to_bring_what_the_curve_says(desk: Desk) -> None:
    section = going_on(desk)
    assert section is not None
    table = pd.read_csv(desk.folder / "going_on.csv").set_index("strategy")
    assert table["labels"].tolist() == [60, 60]
    ((name, shown),) = section.tables
    assert name == "going_on"
    assert shown["advice"].tolist() == table["verdict"].tolist()
    for strategy in ("random", "margin"):
        curves = desk.comparison.unit_curves(strategy, SETTINGS.column)
        gains = curves[:, -1] - curves[:, -4]
        half = stats.t.ppf(0.975, len(gains) - 1) * stats.sem(gains)
        last = Brought(gains.mean(), gains.mean() - half, gains.mean() + half)
        ahead = outlook(LearningCurve.of(desk.comparison.labelled, curves), last, 60, 0.05)
        assert table.loc[strategy, ["value", "low", "high"]].tolist() == pytest.approx(
            [ahead.value, ahead.low, ahead.high]
        )


@pytest.mark.parametrize(("labelled", "fitted"), [(range(20, 241, 20), True), (range(20, 101, 20), False)])
def test_one_seed_gives_a_value_and_no_interval(tmp_path: Path, labelled: range, fitted: bool) -> None:
    write_study(tmp_path / "s", Simulated({"random": 0.0, "margin": 0.03}, [0], labelled=labelled, noise=0.001))
    runs = [run for run in read_runs(find_studies(tmp_path, ["s"]), SETTINGS.column) if isinstance(run, Run)]
    (found,), _ = compare(runs, "random")
    section = going_on(Desk(analyse(found, SETTINGS), tmp_path, looks_of("random", found.runs), None))
    assert section is not None
    ((_, shown),) = section.tables
    assert not shown.apply(lambda column: column.str.contains("[", regex=False)).to_numpy().any()
    assert shown["because"].str.startswith("fitted: " if fitted else "as the last 60 labels. ").all()
    assert shown["because"].str.endswith(". So few runs give no interval.").all()
    assert pd.read_csv(tmp_path / "going_on.csv")[["low", "high", "stop_low", "stop_high"]].isna().all(axis=None)


def test_of_few_cycles_nothing_is_said_of_the_next_ones(tmp_path: Path) -> None:
    write_study(tmp_path / "s", Simulated({"random": 0.0, "margin": 0.03}, range(6), labelled=(20, 40, 60)))
    runs = [run for run in read_runs(find_studies(tmp_path, ["s"]), SETTINGS.column) if isinstance(run, Run)]
    (found,), _ = compare(runs, "random")
    assert going_on(Desk(analyse(found, SETTINGS), tmp_path, looks_of("random", found.runs), None)) is None
