"""What a line decides on: pooled counts, sentences, and why figures are absent."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
import pytest

from coilal.common.types import UserError
from coilal.evidence import line
from coilal.evidence.analysis import analyse
from coilal.evidence.comparison import Comparison, compare
from coilal.evidence.desk import Desk
from coilal.evidence.line_section import line_section
from coilal.evidence.plots import looks_of
from coilal.evidence.proportion import clustered, exact
from coilal.evidence.reading import Run, find_studies, read_runs
from coilal.evidence.report import write_report
from coilal.evidence.report_settings import ReportSettings
from tests.studies import Simulated, write_study

LABELLED = (16, 112)
CALIBRATED = {"val/calibration/temperature": 1.5, "test/calibration/ece": 0.1, "test/calibration/ece_scaled": 0.05}
IMAGES = {
    "val/point/faulty": 30,
    "val/point/good": 60,
    "test/point/faulty": 80,
    "test/point/faulty_groups": 41,
    "test/point/faulty_effective": 60,
    "test/point/good": 120,
    "test/point/good_groups": 50,
    "test/point/good_effective": 100,
}
GROUPS = {"val/group/faulty": 10, "val/group/good": 20, "test/group/faulty": 41, "test/group/good": 19}


def wrong(level: str, escaped: float, rejected: float, of: Mapping[str, float]) -> dict[str, float]:
    return {
        f"test/{level}/escaped": escaped,
        f"test/{level}/rejected": rejected,
        f"test/{level}/escape_rate": escaped / of[f"test/{level}/faulty"]
        if of[f"test/{level}/faulty"]
        else math.nan,
        f"test/{level}/overkill_rate": rejected / of[f"test/{level}/good"]
        if of[f"test/{level}/good"]
        else math.nan,
    }


ALL = CALIBRATED | IMAGES | wrong("point", 8, 6, IMAGES) | GROUPS | wrong("group", 2, 1, GROUPS)


def with_columns(folder: Path, columns: Mapping[str, float]) -> None:
    path = folder / "cycles.csv"
    pd.read_csv(path).assign(**columns).to_csv(path, index=False)


def study(tmp_path: Path, *of_runs: Mapping[str, float], overkill: float | None = 5, **more: object) -> Comparison:
    """Return a comparison with one strategy and a seed for each set of columns."""
    overrides = {**({} if overkill is None else {"inspection.overkill": overkill}), **more}
    simulated = Simulated({"margin": 0.02}, range(len(of_runs)), labelled=LABELLED, overrides=overrides)
    write_study(tmp_path / "s", simulated)
    for seed, columns in enumerate(of_runs):
        with_columns(tmp_path / "s/multiclass/tiny/margin" / f"seed{seed}", columns)
    return read(tmp_path)


def read(tmp_path: Path) -> Comparison:
    runs = [run for run in read_runs(find_studies(tmp_path, ["s"]), "test/macro_f1") if isinstance(run, Run)]
    (comparison,), _ = compare(runs, "random")
    return comparison


def test_the_sentence_of_one_run_is_the_one_that_an_inspector_reads(tmp_path: Path) -> None:
    (groups,) = line.decided(study(tmp_path, ALL), "group", 0.95)
    assert line.sentence(groups, 0.95) == (
        "margin, with 112 labels, at 5 % overkill: 2 of 41 faulty groups escape (4.9 %, 95 % interval 0.6–17 %); "
        "1 of 19 fault-free groups are rejected (5.3 %, 95 % interval 0.1–26 %)."
    )
    assert groups.allowed == 1


def test_seeds_have_the_same_test_groups_and_add_none(tmp_path: Path) -> None:
    runs = [ALL | wrong("group", escaped, 1, GROUPS) for escaped in (1, 2, 4)]
    (found,) = line.decided(study(tmp_path, *runs), "group", 0.95)
    assert found.escapes is not None
    assert (found.escapes.wrong, found.escapes.of, found.escapes.runs) == (pytest.approx(7 / 3), 41, 3)
    assert (found.escapes.low, found.escapes.high) == exact(7 / 3, 41)
    text = line.sentence(found, 0.95)
    assert "2.3 of 41 faulty groups escape in the mean of 3 seeds (5.7 %, 95 % interval" in text
    assert "1 to 4 in single runs" in text


def test_images_of_a_group_count_as_alike_as_they_are(tmp_path: Path) -> None:
    runs = [ALL | {"test/point/faulty_effective": effective} for effective in (40, 60)]
    (found,) = line.decided(study(tmp_path, *runs), "point", 0.9)
    assert found.escapes is not None
    pooled = 1 / np.mean([1 / 40, 1 / 60])
    assert (found.escapes.low, found.escapes.high) == pytest.approx(clustered(8, 80, pooled, 41, 0.9))


def on_splits(tmp_path: Path, folds: int | None, *splits: tuple[int, float]) -> line.Decided:
    """Return decisions on groups of runs on splits: number and escapes of each."""
    runs = [ALL | wrong("group", escaped, 1, GROUPS) for _, escaped in splits]
    more = {} if folds is None else {"data.split.folds": folds}
    comparison = study(tmp_path, *runs, **more)
    (by_seed,) = comparison.runs.values()
    moved = [replace(run, split=number) for run, (number, _) in zip(by_seed.values(), splits, strict=True)]
    (found,) = line.decided(replace(comparison, runs={"margin": dict(enumerate(moved))}), "group", 0.95)
    return found


def test_other_splits_have_other_test_groups_of_which_no_more_are_counted(tmp_path: Path) -> None:
    found = on_splits(tmp_path, None, (0, 2), (0, 4), (1, 6))
    assert found.escapes is not None
    assert (found.escapes.wrong, found.escapes.of) == (4.5, 41), "mean of 3 and 6"
    assert "in the mean of 3 runs on 2 splits" in line.sentence(found, 0.95)


def test_folds_test_each_group_once_so_that_their_groups_add_up(tmp_path: Path) -> None:
    found = on_splits(tmp_path, 2, (0, 2), (0, 4), (1, 6), (2, 1), (3, 2))
    assert found.escapes is not None
    assert (found.escapes.wrong, found.escapes.of) == (6, 82), "mean over two rounds of 3 + 6 and 1 + 2"
    assert (found.escapes.low, found.escapes.high) == exact(6, 82)


def test_a_table_has_numbers_and_text(tmp_path: Path) -> None:
    comparison = study(tmp_path, ALL)
    found = [*line.decided(comparison, "point", 0.95), *line.decided(comparison, "group", 0.95)]
    table, shown = line.table(found), line.shown(found)
    assert table["escapes_share"].tolist() == [0.1, 2 / 41]
    assert shown["escape"].tolist()[1] == "2 of 41, 4.9 % [0.6–17 %]"
    assert line.calibration(comparison).iloc[0].tolist() == ["margin", 0.1, 0.05, 1.5]


def test_curves_are_those_of_runs_that_have_them(tmp_path: Path) -> None:
    curves = line.curves(study(tmp_path, ALL, CALIBRATED))
    assert curves["escape rate, groups"]["margin"].tolist() == [[2 / 41, 2 / 41]]
    assert list(curves) == list(line.CURVES)


@pytest.mark.parametrize(
    ("good", "expected"),
    [
        (
            (1, 2),
            "5 % of 1 to 2 fault-free validation groups is less than one, and it takes 20 of them (more groups, or",
        ),
        ((1, 1), "5 % of 1 fault-free validation group is less than one, and it takes 20 of them (more groups, or"),
        ((0, 0), "none of the validation groups is fault-free"),
        ((20, 30), ""),
    ],
)
def test_why_there_is_no_threshold_for_groups_is_said_with_what_it_takes(
    tmp_path: Path, good: tuple[int, int], expected: str
) -> None:
    runs = study(tmp_path, *(ALL | {"val/group/good": number} for number in good)).runs["margin"]
    moved = {split: replace(run, split=split) for split, run in enumerate(runs.values())}
    comparison = replace(read(tmp_path), runs={"margin": moved})
    assert line.why_not_groups(comparison).startswith(expected)
    assert bool(line.why_not_groups(comparison)) == bool(expected)
    alone = replace(comparison, runs={"margin": {0: without_groups(moved[0])}})
    assert line.why_not_groups(alone) == "", "each image is a group of its own"


def without_groups(run: Run) -> Run:
    return replace(run, cycles=run.cycles.drop(columns=[name for name in run.cycles if "/group/" in name]))


def test_how_far_probabilities_are_off_is_a_sentence(tmp_path: Path) -> None:
    found = line.calibration(study(tmp_path, ALL, ALL))
    assert line.calibration_text(found, ["margin", "random"]) == (
        "After the last cycle probabilities of margin are off by 10.0 points in the mean (ECE; 5.0 once scaled by "
        "the validation temperature)."
    )
    both = pd.concat([found, found.assign(strategy="random", **{"ECE, scaled": np.nan})])
    assert line.calibration_text(both, ["margin", "random"]).endswith("temperature), those of random by 10.0.")
    assert line.calibration_text(found.assign(ECE=np.nan), ["margin"]) == ""


@pytest.mark.parametrize(
    ("ece", "scaled", "titles", "said"),
    [
        ((0.2, 0.1, 0.05), (0.1, 0.1, 0.04), ["ECE, as trained", "ECE, scaled"], ""),
        ((0.2, 0.1, 0.05), (math.nan,) * 3, ["ECE, as trained"], "Left out: ECE, scaled, which no cycle has."),
        (
            (0.2, 0.1),
            (0.1, 0.1),
            [],
            "Left out: ECE, as trained and ECE, scaled, for so few cycles (2) are no curve",
        ),
    ],
)
def test_calibration_is_drawn_over_labelled_images(
    tmp_path: Path, ece: tuple[float, ...], scaled: tuple[float, ...], titles: list[str], said: str
) -> None:
    write_study(tmp_path / "s", Simulated({"margin": 0.02, "random": 0.0}, [0], labelled=range(16, 16 + len(ece))))
    for strategy in ("margin", "random"):
        path = tmp_path / f"s/multiclass/tiny/{strategy}/seed0/cycles.csv"
        columns = {"test/calibration/ece": ece, "test/calibration/ece_scaled": scaled}
        pd.read_csv(path).assign(**(CALIBRATED | columns)).to_csv(path, index=False)
    found = read(tmp_path)
    desk = Desk(analyse(found, ReportSettings(resamples=100)), tmp_path, looks_of("random", found.runs), None)
    section = line_section(desk)
    assert said in section.note
    assert section.says[0].startswith("After the last cycle probabilities of margin are off by")
    drawn = {picture.name: picture for picture in section.pictures}
    assert ("calibration" in drawn) == bool(titles)
    if titles:
        assert drawn["calibration"].alt.endswith(": " + ", ".join(titles))
        assert "Conclude: " in drawn["calibration"].reads
        assert "Do not conclude" in drawn["calibration"].reads


def test_reliability_is_pooled_over_runs_that_kept_their_predictions(tmp_path: Path) -> None:
    study(tmp_path, ALL, ALL, ALL)
    probabilities, targets = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), np.array([0, 0, 0])
    for seed in (0, 1):
        path = tmp_path / f"s/multiclass/tiny/margin/seed{seed}/predictions.npz"
        np.savez(path, images=list("abc"), names=["ok", "dent"], probabilities=probabilities, targets=targets)
    (tmp_path / "s/multiclass/tiny/margin/seed2/predictions.npz").write_bytes(b"")
    found = line.reliability_curves(read(tmp_path))["margin"]
    assert found["as trained"].count.sum() == 6
    assert found["as trained"].error == pytest.approx((0.1 + 0.8 + 0.4) / 3)
    assert found["scaled"].confidence[np.flatnonzero(found["scaled"].count)[-1]] < 0.9, "1.5: less sure"


def no_images(run: Run) -> NoReturn:
    raise UserError("not here")


def test_the_page_says_it(tmp_path: Path) -> None:
    study(tmp_path, ALL, ALL)
    for seed in (0, 1):
        path = tmp_path / f"s/multiclass/tiny/margin/seed{seed}/predictions.npz"
        np.savez(
            path, images=["a"], names=["ok", "dent"], probabilities=np.array([[0.9, 0.1]]), targets=np.array([0])
        )
    page, _ = write_report(tmp_path, ["s"], tmp_path / "r", ReportSettings(resamples=100), no_images)
    text = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8"))))
    assert "at 5 % overkill: 2 of 41 faulty groups escape in the mean of 2 seeds (4.9 %, 95 % interval" in text
    folder = tmp_path / "r/multiclass/tiny"
    assert {"reliability.svg", "line.csv", "calibration.csv"} <= {path.name for path in folder.iterdir()}
    assert not (folder / "line.svg").exists(), "two cycles are no curve"


NO_GROUPS = CALIBRATED | IMAGES | wrong("point", 8, 6, IMAGES)
NONE_GOOD = IMAGES | {"val/point/good": 0}
NONE_FAULTY = IMAGES | {"test/point/faulty": 0}


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (CALIBRATED, "No class is known to be fault-free"),
        (NO_GROUPS, "Each image is a group of its own"),
        (
            NO_GROUPS | NONE_GOOD | wrong("point", math.nan, math.nan, IMAGES),
            "no threshold, for none of the validation",
        ),
        (
            NO_GROUPS | NONE_FAULTY | wrong("point", 0, 6, NONE_FAULTY),
            "no escape rate, for none of the test images is",
        ),
        (ALL | {"val/calibration/temperature": 20.0}, "Temperature: at an end of its range (0.05 to 20) in 1 of 1"),
        (ALL | {"val/group/good": 12}, "5 % of 12 fault-free validation groups is less than one"),
    ],
)
def test_what_cannot_be_said_is_left_out_with_the_reason(
    tmp_path: Path, columns: Mapping[str, float], reason: str
) -> None:
    comparison = study(tmp_path, columns)
    assert reason in " ".join(line.left_out(comparison))
    for level in line.WHAT:
        for found in line.decided(comparison, level, 0.95):
            assert "nan" not in line.sentence(found, 0.95)
    line.shown(line.decided(comparison, "point", 0.95))


def test_a_whole_study_has_nothing_to_excuse(tmp_path: Path) -> None:
    assert line.left_out(study(tmp_path, ALL, ALL)) == []


def test_runs_of_an_earlier_version_are_named(tmp_path: Path) -> None:
    comparison = study(tmp_path, {}, {}, overkill=None)
    (reason,) = line.left_out(comparison)
    assert reason.startswith("The runs were done by an earlier version")
    assert line.decided(comparison, "point", 0.95) == []
    assert line.curves(comparison) == {}
    assert line.calibration(comparison).empty


def test_runs_that_scored_no_validation_are_named(tmp_path: Path) -> None:
    (reason,) = line.left_out(study(tmp_path, {}, score_validation=False))
    assert "score_validation=false" in reason


def test_a_run_that_an_earlier_version_began_lacks_its_first_cycles(tmp_path: Path) -> None:
    comparison = study(tmp_path, ALL)
    path = tmp_path / "s/multiclass/tiny/margin/seed0/cycles.csv"
    cycles = pd.read_csv(path)
    cycles.loc[0, list(ALL)] = np.nan
    cycles.to_csv(path, index=False)
    comparison = read(tmp_path)
    assert line.left_out(comparison) == ["The run was begun by an earlier version, and lacks the first cycles."]
    assert len(line.decided(comparison, "group", 0.95)) == 1


def test_what_holds_for_some_splits_only_is_said_of_them(tmp_path: Path) -> None:
    simulated = Simulated(
        {"margin": 0.0}, [0], labelled=LABELLED, splits=range(3), overrides={"inspection.overkill": 5}
    )
    write_study(tmp_path / "s", simulated)
    for split, good in enumerate((40, 7, 0)):
        folder = tmp_path / f"s/multiclass/tiny/margin/split{split}/seed0"
        with_columns(folder, ALL | {"val/group/good": good, "test/group/faulty": 41 if split else 0})
    said = " ".join(line.left_out(read(tmp_path)))
    assert "Decisions on groups: no threshold in 1 of 3 splits, for none of the validation groups is" in said
    assert "Decisions on groups: 5 % of 7 fault-free validation groups is less than one" in said
    assert "lets none of them be rejected in 1 of 3 splits." in said
    assert "Decisions on groups: no escape rate in 1 of 3 splits, for none of the test groups is faulty." in said
    assert "Decisions on images" not in said


def test_counts_are_out_of_whole_numbers_and_few_are_not_none() -> None:
    rate = line.Rate(2.25, 152.3, 0.0, 0.1, 2, 3, 4, 3)
    assert line.counts(rate) == "2.2 of 152"
    assert line.counts(replace(rate, wrong=152.3)) == "152 of 152"
