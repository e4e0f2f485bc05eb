from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from coilal.evidence.across import across_sections
from coilal.evidence.comparison import Comparison, compare
from coilal.evidence.label_noise import losses, wrong_labels
from coilal.evidence.reading import Run, read_runs, run_folders
from coilal.evidence.report_settings import ReportSettings
from coilal.evidence.units import Repeat
from tests.studies import Simulated, write_study

SETTINGS = ReportSettings()
SEEDS = range(8)


def study(
    outputs: Path, name: str, effects: Mapping[str, float], rate: float, overrides: Mapping[str, Any] | None = None
) -> None:
    """Write a study whose oracle tells every so-many-th label wrongly."""
    own = {"oracle.error_rate": rate, "oracle.confusion": None} if rate else {}
    write_study(
        outputs / name,
        Simulated(effects, SEEDS, noise=0.02 if rate else 0.01, overrides={**own, **(overrides or {})}),
    )
    for folder in run_folders(outputs / name) if rate else []:
        told = pd.read_csv(folder / "queries.csv")
        wrong = np.arange(len(told)) % round(1 / rate) == 0
        told["true"] = np.where(wrong, told["label"], "")
        told.loc[wrong, "label"] = ["gap" if label == "none" else "none" for label in told["label"][wrong]]
        told.to_csv(folder / "queries.csv", index=False)


def comparisons(outputs: Path) -> list[Comparison]:
    folders = [folder for place in sorted(outputs.iterdir()) for folder in run_folders(place)]
    runs = [run for run in read_runs(folders, "test/macro_f1") if isinstance(run, Run)]
    assert len(runs) == len(folders)
    return compare(runs, "random")[0]


def test_wrong_labels_are_counted_by_what_they_were_taken_for(tmp_path: Path) -> None:
    study(tmp_path, "noisy", {"random": 0.0}, 0.1)
    (found,) = comparisons(tmp_path)
    row = wrong_labels(found).iloc[0]
    assert (row["told"], row["wrong"], row["share"]) == (100, 10, 0.1)
    runs = found.runs["random"].values()
    expected = sum(((run.queries["true"] == "none") & (run.queries["label"] == "gap")).sum() for run in runs)
    assert f"none → gap: {expected}" in row["errors"]


def test_studies_whose_oracle_does_not_err_have_no_such_table(tmp_path: Path) -> None:
    study(tmp_path, "clean", {"random": 0.0}, 0)
    assert wrong_labels(*comparisons(tmp_path)).empty
    assert losses(comparisons(tmp_path), SETTINGS) == []


def test_what_is_lost_is_compared_with_what_the_baseline_loses(tmp_path: Path) -> None:
    study(tmp_path, "clean", {"random": 0.0, "margin": 0.10, "entropy": 0.10}, 0)
    study(tmp_path, "noisy", {"random": -0.05, "margin": 0.05, "entropy": -0.10}, 0.1)
    clean, noisy = comparisons(tmp_path)
    found = {loss.strategy: loss for loss in losses([noisy, clean], SETTINGS)}
    assert {loss.against for loss in found.values()} == {"clean"}
    assert {name: loss.suffers for name, loss in found.items()} == {
        "random": "",
        "margin": "undecided",
        "entropy": "more",
    }

    def areas(comparison: Comparison, strategy: str) -> np.ndarray:
        return np.array([comparison.runs[strategy][Repeat(0, seed)].aulc("test/macro_f1") for seed in SEEDS])

    lost = {name: areas(clean, name) - areas(noisy, name) for name in found}
    for name, loss in found.items():
        test = stats.ttest_1samp(lost[name], 0)
        assert loss.loss == pytest.approx(lost[name].mean())
        assert (loss.low, loss.high) == pytest.approx(test.confidence_interval(0.95))
        if name != "random":
            interval = stats.ttest_rel(lost[name], lost["random"]).confidence_interval(0.95)
            assert (loss.beyond_low, loss.beyond_high) == pytest.approx(interval)
    p_values = {name: stats.ttest_rel(lost[name], lost["random"]).pvalue for name in ("margin", "entropy")}
    assert found["entropy"].p_holm == pytest.approx(2 * p_values["entropy"])
    assert found["margin"].p_holm == pytest.approx(p_values["margin"])


def test_the_report_over_several_studies_says_which_suffer(tmp_path: Path) -> None:
    study(tmp_path / "outputs", "clean", {"random": 0.0, "margin": 0.1}, 0)
    study(tmp_path / "outputs", "noisy", {"random": 0.0, "margin": -0.1}, 0.1)
    made = across_sections(comparisons(tmp_path / "outputs"), SETTINGS, tmp_path)
    (section,) = [section for section in made if section.title == "Which strategies suffer from wrong labels?"]
    ((_, table),) = section.tables
    assert table["suffers"].tolist() == ["–", "more"]
    assert table["more than random"].tolist()[0] == "–"
    assert table["wrong labels"].tolist() == ["10 %"] * 2
    assert pd.read_csv(tmp_path / "label_noise.csv")["strategy"].tolist() == ["random", "margin"]


def test_studies_that_differ_otherwise_are_not_compared(tmp_path: Path) -> None:
    study(tmp_path, "clean", {"random": 0.0}, 0)
    study(tmp_path, "noisy", {"random": -0.05}, 0.1, {"trainer.max_epochs": 7})
    assert losses(comparisons(tmp_path), SETTINGS) == []
