from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from scipy import stats

from coilal.evidence.across import across_sections
from coilal.evidence.comparison import compare
from coilal.evidence.desk import Section
from coilal.evidence.ranks import rank_strategies
from coilal.evidence.reading import Run, read_runs
from coilal.evidence.report_settings import ReportSettings
from coilal.run_directory.files import run_folders
from tests.studies import Simulated, write_study

NAMES = list("abcde")


def scores(settings: int, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    return pd.DataFrame(np.arange(5) * 0.6 + generator.normal(0, 1, (settings, 5)), columns=NAMES)


@pytest.mark.parametrize("settings", [6, 12, 30])
def test_pairs_beyond_the_critical_difference_are_those_of_nemenyis_test(settings: int) -> None:
    table = scores(settings)
    ranking = rank_strategies(table, 0.05)
    p_values = scikit_posthocs.posthoc_nemenyi_friedman(table.to_numpy())
    for i, one in enumerate(NAMES):
        for j, other in enumerate(NAMES):
            if i != j:
                apart = abs(ranking.ranks[one] - ranking.ranks[other]) > ranking.critical_difference
                assert apart == (p_values.to_numpy()[i, j] < 0.05)


def test_critical_difference_is_that_of_demsars_table() -> None:
    # Demšar 2006, table 5: q_0.05 is 2.343 for 3 and 2.728 for 5 classifiers
    assert rank_strategies(scores(14), 0.05).critical_difference == pytest.approx(
        2.728 * np.sqrt(5 * 6 / (6 * 14)), rel=1e-3
    )
    assert rank_strategies(scores(14)[["a", "b", "c"]], 0.05).critical_difference == pytest.approx(
        2.343 * np.sqrt(3 * 4 / (6 * 14)), rel=1e-3
    )


def test_f_distribution_is_that_of_iman_and_davenport() -> None:
    table = scores(8, seed=3)
    ranks = table.rank(axis=1).to_numpy()
    # two-way analysis of variance of the ranks without interaction: the same F (Iman & Davenport 1980)
    between = 8 * ((ranks.mean(axis=0) - 3) ** 2).sum()
    within = ((ranks - ranks.mean(axis=0)) ** 2).sum()
    expected = stats.f.sf((between / 4) / (within / (4 * 7)), 4, 28)
    assert rank_strategies(table, 0.05).p == pytest.approx(expected)


def test_best_rank_is_the_highest_score() -> None:
    assert rank_strategies(scores(30), 0.05).ranks.index[0] == "e"


def test_groups_join_exactly_what_does_not_differ() -> None:
    ranking = rank_strategies(scores(20), 0.05)
    ranks = ranking.ranks.to_numpy()
    for i in range(5):
        for j in range(i + 1, 5):
            joined = any(first <= i and j <= last for first, last in ranking.groups)
            assert joined == (ranks[j] - ranks[i] <= ranking.critical_difference)


def test_too_few_settings_or_strategies_are_refused() -> None:
    with pytest.raises(ValueError, match="4 settings and 5 strategies"):
        rank_strategies(scores(4), 0.05)
    with pytest.raises(ValueError, match="2 strategies"):
        rank_strategies(scores(9)[["a", "b"]], 0.05)


def test_ties_everywhere_and_the_same_order_everywhere() -> None:
    assert rank_strategies(pd.DataFrame(np.ones((6, 4)), columns=list("abcd")), 0.05).p == 1
    assert rank_strategies(pd.DataFrame(np.tile([1.0, 2, 3, 4], (6, 1)), columns=list("abcd")), 0.05).p == 0


def of_models(folder: Path, *cells: tuple[str, str]) -> list[Section]:
    for task, model in cells:
        write_study(folder / "s", Simulated({"random": 0.0, "margin": 0.05}, range(2), task=task, model=model))
    runs = [run for run in read_runs(run_folders(folder / "s"), "test/macro_f1") if isinstance(run, Run)]
    comparisons, _ = compare(runs, "random")
    return across_sections(comparisons, ReportSettings(resamples=100), folder / "out")


def test_models_are_compared_where_a_task_has_two(tmp_path: Path) -> None:
    title = "Which model and strategy needs the fewest labels?"
    one = of_models(tmp_path / "one", ("multiclass", "tiny"), ("multilabel", "tiny"))
    assert title not in [section.title for section in one]
    assert not (tmp_path / "one/out/fewest_labels.csv").exists()
    assert "There is 1 setting and 2 common strategies: too few" in one[0].note
    assert "There are 2 settings and 2 common strategies: too few" in one[-1].note
    two = of_models(tmp_path / "two", ("multiclass", "tiny"), ("multiclass", "other"), ("multilabel", "tiny"))
    assert two[0].title == title
    assert set(pd.read_csv(tmp_path / "two/out/fewest_labels.csv")["task"]) == {"multiclass"}


def test_the_diagram_over_settings_says_what_to_conclude_and_what_not(tmp_path: Path) -> None:
    effects = {"random": 0.0, "margin": 0.05, "entropy": 0.02}
    for name in "abcde":
        write_study(tmp_path / name, Simulated(effects, range(2)))
    folders = [folder for name in "abcde" for folder in run_folders(tmp_path / name)]
    runs = [run for run in read_runs(folders, "test/macro_f1") if isinstance(run, Run)]
    comparisons, _ = compare(runs, "random")
    sections = across_sections(comparisons, ReportSettings(resamples=100), tmp_path / "out")
    (picture,) = [picture for section in sections for picture in section.pictures]
    assert picture.reads.startswith("Conclude: ")
    assert "Do not conclude" in picture.reads
