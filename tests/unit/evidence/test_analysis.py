from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from coilal.evidence.analysis import Analysis, analyse, mean_interval
from coilal.evidence.answer import answer
from coilal.evidence.comparison import compare
from coilal.evidence.curves import band, mean_curves
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


def of_splits(folder: Path, splits: int, seeds: int = 4) -> Analysis:
    simulated = Simulated({"random": 0.0, "margin": 0.1}, range(seeds), splits=range(splits), split_noise=0.01)
    return analysed(folder, simulated, ReportSettings(resamples=100))


def test_one_split_says_that_it_holds_for_these_coils_only(tmp_path: Path) -> None:
    found = answer(analysed(tmp_path, Simulated({"random": 0.0, "margin": 0.05}), ReportSettings(resamples=100)))
    assert found.holds.startswith("This answer holds for these coils (groups of images) only.")


def test_two_splits_are_too_few(tmp_path: Path) -> None:
    found = answer(of_splits(tmp_path, 2))
    assert found.holds.startswith("2 splits × 4 seeds: too few splits for an answer")
    assert found.surpasses == found.not_worse
    assert found.surpasses[0].startswith("Two splits decide nothing")


def test_two_values_that_are_left_out_are_too_few_as_well(tmp_path: Path) -> None:
    simulated = Simulated(
        {"random": 0.0, "margin": 0.1}, range(2), splits=range(2), overrides={"data.split.by": "bobbin"}
    )
    found = answer(analysed(tmp_path, simulated, ReportSettings(resamples=100)))
    assert found.holds.startswith(
        "2 splits × 2 seeds: too few splits for an answer, which would be on further values"
    )


def test_too_few_counts_what_is_shared_with_the_baseline(tmp_path: Path) -> None:
    write_study(tmp_path / "s", Simulated({"margin": 0.1}, range(2), splits=range(1)))
    found = answer(analysed(tmp_path, Simulated({"random": 0.0}, range(2), splits=range(5)), ReportSettings()))
    assert found.surpasses[0].startswith("One split that a strategy shares with random decides nothing")
    assert "run more splits (five at the least, better ten)" in found.surpasses[0]


def test_the_answer_of_several_splits_counts_splits(tmp_path: Path) -> None:
    analysis = of_splits(tmp_path, 6)
    (result,) = analysis.results
    assert (result.units.kind, result.units.count) == ("split", 6)
    found = answer(analysis)
    assert "it rests on 6 splits × 4 seeds. The split is what is counted" in found.holds
    share = analysis.spread["margin"].share
    assert f"{round(100 * share)} % of that variance comes from which coils are seen" in found.holds
    assert found.surpasses[0].startswith("margin surpasses random: ")
    assert "6 splits × 4 seeds" in found.surpasses[0]
    assert not any("Wilcoxon" in sentence for sentence in found.undecided)


def test_three_splits_say_what_they_can_find(tmp_path: Path) -> None:
    found = answer(of_splits(tmp_path, 3))
    assert "it rests on 3 splits × 4 seeds, which are few: five are the least to rely on" in found.holds
    assert found.undecided[-1].startswith("3 splits × 4 seeds find only a difference of ")
    assert "Run five splits at the least" in found.undecided[-1]


@pytest.mark.parametrize(("splits", "said"), [(3, False), (4, False), (5, True)])
def test_of_few_splits_the_answer_does_not_say_where_the_spread_comes_from(
    tmp_path: Path, splits: int, said: bool
) -> None:
    analysis = of_splits(tmp_path, splits)
    assert analysis.spread, "the section shows it, with its caveat"
    assert ("of that variance comes from which coils are seen" in answer(analysis).holds) == said


def test_that_nothing_is_compared_is_said_once(tmp_path: Path) -> None:
    found = answer(analysed(tmp_path, Simulated({"random": 0.0}, range(3)), ReportSettings(resamples=100)))
    assert found.surpasses == ["There are runs of random only: nothing is compared."]
    assert found.not_worse == found.pays == found.undecided == []


def test_bands_of_splits_are_over_their_means_and_corrected(tmp_path: Path) -> None:
    comparison = of_splits(tmp_path, 5).comparison
    values = comparison.curves("margin", "test/macro_f1").reshape(5, 4, -1).mean(axis=1)
    curve = mean_curves(comparison, ReportSettings())["margin"]
    np.testing.assert_allclose(curve.mean, values.mean(axis=0))
    error = values.std(axis=0, ddof=1) * np.sqrt(1 / 5 + comparison.overlap)
    np.testing.assert_allclose(curve.high - curve.mean, stats.t.ppf(0.975, 4) * error)
    assert "5 splits × 4 seeds" in curve.label
    assert "corrected for\nthe overlap of the splits" in band(comparison, ReportSettings())


def test_two_splits_have_no_band(tmp_path: Path) -> None:
    comparison = of_splits(tmp_path, 2).comparison
    assert np.isnan(mean_curves(comparison, ReportSettings())["margin"].low).all()
    assert "two splits: no band" in band(comparison, ReportSettings())
