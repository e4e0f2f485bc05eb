"""How many labels are worth buying, against sums by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from coilal.evidence.comparison import Comparison, compare
from coilal.evidence.reading import Run, read_runs
from coilal.evidence.report_settings import Prices, ReportSettings
from coilal.evidence.worth import assumptions, missing, sentence, shown, worth
from coilal.run_directory.files import run_folders
from tests.studies import Simulated, write_study

LABELLED = (20, 40, 60, 80)
ESCAPES = {"random": [0.8, 0.7, 0.5, 0.4], "margin": [0.8, 0.3, 0.2, 0.195]}
PRICES = Prices(
    annotator_hour=3600, label_seconds=1, compute_hour=0, escape=100, overkill=2, parts=100, faulty=0.2, kappa=1.5
)
SETTINGS = ReportSettings(prices=PRICES)


def study(tmp_path: Path, seeds: int = 8) -> Comparison:
    """Return a study in which 5 % are rejected throughout, and the escapes of a seed differ by its number."""
    write_study(tmp_path / "s", Simulated({"random": 0.0, "margin": 0.0}, range(seeds), labelled=LABELLED))
    for folder, name in run_folders(tmp_path / "s").items():
        escapes = np.array(ESCAPES[name.strategy]) + 0.001 * (name.seed - (seeds - 1) / 2)
        more = {"faulty": 10, "good": 40, "escape_rate": escapes, "overkill_rate": 0.05}
        settings = yaml.safe_load((folder / "config.yaml").read_text())
        (folder / "config.yaml").write_text(yaml.safe_dump({**settings, "inspection": {"overkill": 5}}))
        table = pd.read_csv(folder / "cycles.csv")
        table.assign(**{"val/group/good": 40} | {f"test/group/{key}": value for key, value in more.items()}).to_csv(
            folder / "cycles.csv", index=False
        )
    runs = [run for run in read_runs(run_folders(tmp_path / "s"), "test/macro_f1") if isinstance(run, Run)]
    (comparison,), _ = compare(runs, "random")
    return comparison


def test_the_lowest_point_of_labels_and_wrong_decisions_is_what_is_worth_buying(tmp_path: Path) -> None:
    random, margin = worth(study(tmp_path), SETTINGS)
    # 100 parts, 20 of them faulty: 2000 × escapes + 160 × 0.05 + labels (1 each, 1.5 each if asked for)
    assert (random.labels, random.is_last) == (80, True)
    assert random.money == pytest.approx(2000 * 0.4 + 8 + 80)
    assert (margin.labels, margin.is_last) == (60, False)
    assert margin.money == pytest.approx(2000 * 0.2 + 8 + 1.5 * 60)
    assert margin.of_labels == pytest.approx(90)
    assert margin.at_start == pytest.approx(2000 * 0.8 + 8 + 30)
    assert (margin.low, margin.high) == (60, 60), "all seeds agree"
    assert (random.low, random.high) == (80, np.inf)
    assert margin.saved == pytest.approx(888 - 498)
    assert margin.saved_low == pytest.approx(390), "the seeds' difference is common to both"
    assert np.isnan(random.saved)


def test_the_share_of_faulty_parts_is_that_of_the_test_split_unless_it_is_given(tmp_path: Path) -> None:
    unset = replace(SETTINGS, prices=replace(PRICES, faulty=None, escape=50))
    _, margin = worth(study(tmp_path), unset)
    assert margin.money == pytest.approx(100 * 0.2 * 0.2 * 50 + 8 + 90)
    assert "as many of them faulty as in the test split" in assumptions(study(tmp_path), unset)


def test_it_is_said_in_words(tmp_path: Path) -> None:
    comparison = study(tmp_path)
    random, margin = found = worth(comparison, SETTINGS)
    assert sentence(margin, SETTINGS).startswith("margin: 60 [60, 60] labels are worth buying. ")
    assert "come to 498 EUR then (90 for labels), and to 1638 with the starting set" in sentence(margin, SETTINGS)
    assert "all 80 [80, the last] labels were worth buying, and more may be" in sentence(random, SETTINGS)
    assert shown(found, SETTINGS)["labels worth buying"].tolist() == ["≥ 80 [80, the last]", "60 [60, 60]"]
    assert "20.0% of them faulty" in assumptions(comparison, SETTINGS)


def test_few_seeds_have_no_interval(tmp_path: Path) -> None:
    _, margin = worth(study(tmp_path, seeds=3), SETTINGS)
    assert np.isnan([margin.low, margin.high, margin.saved_low]).all()


def test_without_prices_or_rates_it_says_what_is_missing(tmp_path: Path) -> None:
    comparison = study(tmp_path)
    assert missing(comparison, SETTINGS) == ""
    assert "prices.escape=50" in missing(comparison, ReportSettings())
    bare = {
        name: {
            key: replace(run, cycles=run.cycles.drop(columns="test/group/escape_rate")) for key, run in runs.items()
        }
        for name, runs in comparison.runs.items()
    }
    assert "are not known of every run" in missing(replace(comparison, runs=bare), SETTINGS)
