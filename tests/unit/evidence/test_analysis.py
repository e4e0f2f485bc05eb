from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from coilal.evidence.analysis import Analysis, analyse, mean_interval
from coilal.evidence.answer import answer
from coilal.evidence.comparison import compare
from coilal.evidence.reading import Run, read_runs, run_folders
from coilal.evidence.report_settings import ReportSettings
from tests.studies import Simulated, write_study


def analysed(folder: Path, simulated: Simulated, settings: ReportSettings) -> Analysis:
    write_study(folder / "s", simulated)
    runs = [run for run in read_runs(run_folders(folder / "s"), settings.column) if isinstance(run, Run)]
    (comparison,), _ = compare(runs, settings.baseline)
    return analyse(comparison, settings)


def test_interval_of_the_mean_is_scipys() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.1, (6, 3))
    mean, low, high = mean_interval(values, 0.9)
    expected = stats.t.interval(0.9, 5, loc=values.mean(axis=0), scale=stats.sem(values, axis=0))
    np.testing.assert_allclose((low, high), expected)
    np.testing.assert_allclose(mean, values.mean(axis=0))


def test_interval_of_one_run_is_unknown_and_gaps_are_left_out() -> None:
    _, low, _ = mean_interval(np.array([[0.1, 0.2]]), 0.95)
    assert np.isnan(low).all()
    mean, _, _ = mean_interval(np.array([[0.1, np.nan], [0.3, 0.4]]), 0.95)
    np.testing.assert_allclose(mean, [0.2, 0.4])


@pytest.mark.parametrize("metric", ["macro_f1", "accuracy"])
def test_differences_are_paired_areas(tmp_path: Path, metric: str) -> None:
    simulated = Simulated({"random": 0.0, "margin": 0.05}, range(6))
    analysis = analysed(tmp_path, simulated, ReportSettings(metric=metric, resamples=100))
    (result,) = analysis.results
    areas = {
        name: [np.trapezoid(run.values(f"test/{metric}"), run.labelled) / 80 for run in runs.values()]
        for name, runs in analysis.comparison.runs.items()
    }
    assert result.mean == pytest.approx(np.mean(areas["margin"]) - np.mean(areas["random"]))
    assert result.p_t == pytest.approx(stats.ttest_rel(areas["margin"], areas["random"]).pvalue)


def test_words_never_turn_not_significant_into_not_worse(tmp_path: Path) -> None:
    simulated = Simulated({"random": 0.0, "margin": -0.01}, range(4), noise=0.05)
    analysis = analysed(tmp_path, simulated, ReportSettings(resamples=100))
    (result,) = analysis.results
    assert result.p_t > 0.05
    found = answer(analysis)
    assert found.surpasses == ["No strategy is shown to surpass random."]
    assert found.not_worse[0].startswith("For no strategy is it shown that it is not worse")
    assert "too few to answer" in " ".join(found.undecided)
    assert "cannot go below 0.125" in " ".join(found.undecided)
    assert "fewer than six seeds, so no interval" in found.pays[0] or "never gets there" in found.pays[0]


def test_below_random_within_the_margin_is_said_both_ways(tmp_path: Path) -> None:
    simulated = Simulated({"random": 0.0, "margin": -0.012}, range(20), noise=0.004)
    found = answer(analysed(tmp_path, simulated, ReportSettings(resamples=100, margin=0.05)))
    assert any("margin falls below random" in sentence for sentence in found.surpasses)
    assert found.not_worse[0].endswith("(20 seeds); but it is below random.")
