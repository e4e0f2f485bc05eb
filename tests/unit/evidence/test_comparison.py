from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from coilal.common.types import UserError
from coilal.evidence.comparison import Comparison, compare
from coilal.evidence.reading import Finding, Run, find_studies, read_runs
from coilal.evidence.units import Repeat, Units
from tests.studies import POOL, TEST, VALIDATION, Simulated, write_run, write_study

COLUMN = "test/macro_f1"


def of_seeds(*numbers: int) -> tuple[Repeat, ...]:
    return tuple(Repeat(0, number) for number in numbers)


def read(outputs: Path, study: str = "s") -> tuple[list[Comparison], list[Finding]]:
    found = list(read_runs(find_studies(outputs, [study]), COLUMN))
    runs = [item for item in found if isinstance(item, Run)]
    comparisons, findings = compare(runs, "random")
    return comparisons, [*(item for item in found if isinstance(item, Finding)), *findings]


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    write_study(tmp_path / "s", Simulated({"margin": 0.02, "random": 0.0}))
    return tmp_path


def edit_status(folder: Path, **changes: object) -> None:
    status = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps({**status, **changes}))


def test_a_complete_study_has_nothing_to_report(outputs: Path) -> None:
    (comparison,), findings = read(outputs)
    assert findings == []
    assert comparison.strategies == ("random", "margin")
    assert comparison.active == ("margin",)
    assert comparison.curves("margin", COLUMN).shape == (5, 5)


def test_runs_with_caches_in_different_places_are_compared(tmp_path: Path) -> None:
    write_study(tmp_path / "s", Simulated({"random": 0.0}, overrides={"cache.dir": "/scratch/a", "logger.csv": 1}))
    write_study(tmp_path / "s", Simulated({"margin": 0.02}, overrides={"cache.dir": "/scratch/b"}))
    (comparison,), findings = read(tmp_path)
    assert findings == []
    assert comparison.strategies == ("random", "margin")


def test_pairs_join_by_seed_whatever_the_order(outputs: Path) -> None:
    (comparison,), _ = read(outputs)
    shuffled = dict(reversed(comparison.runs["margin"].items()))
    mixed = Comparison("s", "t", "m", {"random": comparison.runs["random"], "margin": shuffled}, (), {}, "random")
    pairs = mixed.pairs("margin", "random")
    assert pairs.repeats == of_seeds(0, 1, 2, 3, 4)
    assert [run.seed for run in pairs.first] == [run.seed for run in pairs.second] == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(
        pairs.aulc_differences(COLUMN), comparison.pairs("margin", "random").aulc_differences(COLUMN)
    )


def test_a_missing_seed_drops_the_pair_and_is_named(outputs: Path) -> None:
    shutil.rmtree(outputs / "s/multiclass/tiny/random/seed2")
    (comparison,), findings = read(outputs)
    assert comparison.pairs("margin", "random").repeats == of_seeds(0, 1, 3, 4)
    assert [f.what for f in findings] == ["no run to compare of random with seed 2"]


@pytest.mark.parametrize("state", ["failed", "running"])
def test_unfinished_runs_are_left_out_and_named(outputs: Path, state: str) -> None:
    edit_status(outputs / "s/multiclass/tiny/margin/seed1", state=state, error="OSError: disk full")
    (comparison,), findings = read(outputs)
    assert Repeat(0, 1) not in comparison.runs["margin"]
    assert findings[0].where == "s/multiclass/tiny/margin/seed1"
    assert f"not finished ({state}: OSError: disk full)" in findings[0].what


@pytest.mark.parametrize("name", ["status.json", "cycles.csv", "queries.csv", "config.yaml", "splits.csv"])
@pytest.mark.parametrize("content", [None, "", "{"])
def test_damaged_files_are_named(outputs: Path, name: str, content: str | None) -> None:
    path = outputs / "s/multiclass/tiny/margin/seed1" / name
    path.unlink()
    if content is not None:
        path.write_text(content)
    (comparison,), findings = read(outputs)
    assert Repeat(0, 1) not in comparison.runs["margin"]
    assert findings[0].where == "s/multiclass/tiny/margin/seed1"


def test_other_settings_are_left_out_and_named(outputs: Path) -> None:
    other = Simulated({"margin": 0.0}, seeds=[1], overrides={"trainer.max_epochs": 10})
    write_study(outputs / "s", other)
    (comparison,), findings = read(outputs)
    assert Repeat(0, 1) not in comparison.runs["margin"]
    assert "trainer.max_epochs 10 instead of 50" in findings[0].what
    assert comparison.left_out == {}, "other runs of margin are there"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"labels": "other"}, "other labels"),
        ({"labels": "other", "groups": "other"}, "other data"),
        ({"fingerprint": "other"}, "other data"),
        (None, "other settings"),
    ],
)
def test_a_strategy_of_which_all_runs_are_left_out_is_named_with_the_kind_of_difference(
    outputs: Path, changed: dict[str, str] | None, why: str
) -> None:
    write_study(outputs / "s", Simulated({"random": 0.0, "entropy": 0.0}))
    for folder in (outputs / "s/multiclass/tiny/margin").glob("seed*"):
        data = json.loads((folder / "status.json").read_text())["data"]
        edit_status(folder, **({"weights": "other"} if changed is None else {"data": data | changed}))
    (comparison,), _ = read(outputs)
    assert comparison.left_out == {"margin": why}


def test_other_settings_of_the_strategy_are_left_out_and_named(outputs: Path) -> None:
    write_study(outputs / "s", Simulated({"margin": 0.0}, seeds=[1], overrides={"strategy.needs": ["embeddings"]}))
    (comparison,), findings = read(outputs)
    assert Repeat(0, 1) not in comparison.runs["margin"]
    assert "strategy.needs" in findings[0].what


def test_mixed_versions_are_named_and_kept(outputs: Path) -> None:
    edit_status(outputs / "s/multiclass/tiny/margin/seed1", versions={"python": "3.12.0", "coilal": "0.1.0"})
    (comparison,), (finding,) = read(outputs)
    assert Repeat(0, 1) in comparison.runs["margin"]
    assert finding.what == "mixed versions: python 3.11.7, 3.12.0"


def test_versions_of_the_earlier_parts_of_a_run_are_named(outputs: Path) -> None:
    part = {"versions": {"python": "3.10.1", "coilal": "0.1.0"}, "git_commit": "0000", "cycles": 1, "seconds": 2.0}
    edit_status(outputs / "s/multiclass/tiny/margin/seed1", earlier_parts=[part])
    (comparison,), (finding,) = read(outputs)
    assert Repeat(0, 1) in comparison.runs["margin"]
    assert finding.what.startswith("mixed versions: git commit 0000, ")
    assert finding.what.endswith("python 3.10.1, 3.11.7")


def test_runs_of_other_seeds_do_not_pair(outputs: Path) -> None:
    edit_status(outputs / "s/multiclass/tiny/margin/seed1", seeds={"seed": 1, "split": 0, "start": 9, "train": 1})
    (comparison,), findings = read(outputs)
    assert comparison.pairs("margin", "random").repeats == of_seeds(0, 2, 3, 4)
    assert "seed 1 of margin does not pair with random" in findings[0].what


def test_another_starting_set_does_not_pair(outputs: Path) -> None:
    folder = outputs / "s/multiclass/tiny/margin"
    shutil.copy(folder / "seed2/queries.csv", folder / "seed1/queries.csv")
    (comparison,), findings = read(outputs)
    assert comparison.pairs("margin", "random").repeats == of_seeds(0, 2, 3, 4)
    assert "another starting set" in findings[0].what


def test_an_undefined_metric_is_left_out_and_named(outputs: Path) -> None:
    write_run(outputs / "s/multiclass/tiny/margin/seed1", [20, 40], np.array([0.2, np.nan]))
    _, findings = read(outputs)
    assert "test/macro_f1 is undefined" in findings[0].what


def test_a_reference_of_other_settings_is_left_out_and_named(outputs: Path) -> None:
    for seed, overrides in enumerate([{"budget.labelled": [POOL]}, {"trainer.max_epochs": 500}]):
        write_run(outputs / f"s/multiclass/tiny/whole_pool/seed{seed}", [POOL], np.array([0.9]), overrides)
    (comparison,), (finding,) = read(outputs)
    assert [run.seed for run in comparison.full_pool] == [0]
    assert finding.where == "s/multiclass/tiny/whole_pool/seed1"
    assert finding.what.endswith("of other settings than the rest: trainer.max_epochs 500 instead of 50")


def test_the_whole_pool_is_a_reference_and_no_strategy(outputs: Path) -> None:
    write_run(outputs / "s/multiclass/tiny/whole_pool/seed0", [POOL], np.array([0.9]))
    (comparison,), findings = read(outputs)
    assert comparison.strategies == ("random", "margin")
    assert [run.strategy for run in comparison.full_pool] == ["whole_pool"]
    assert findings == []


def test_an_upper_bound_is_drawn_and_compared_with_nothing(outputs: Path) -> None:
    needs = {"strategy.needs": ["logits", "trials"]}
    for seed, more in enumerate([{}, {"trainer.max_epochs": 500}]):
        curve = np.linspace(0.5, 0.9, 5)
        write_run(outputs / f"s/multiclass/tiny/oracle/seed{seed}", [20, 40, 60, 80, 100], curve, needs | more)
    (comparison,), (finding,) = read(outputs)
    assert comparison.strategies == ("random", "margin")
    assert [*comparison.bounds["oracle"]] == [Repeat(0, 0)]
    assert finding.where == "s/multiclass/tiny/oracle/seed1"
    assert finding.what.startswith("an upper bound of other settings than the rest: trainer.max_epochs 500")


def test_one_seed_and_no_baseline_are_said(tmp_path: Path) -> None:
    write_study(tmp_path / "s", Simulated({"margin": 0.0}, seeds=[3]))
    (comparison,), findings = read(tmp_path)
    assert not comparison.has_baseline
    assert {finding.consequence for finding in findings} == {
        "curves only: no strategy can be compared with it",
        "curves only, no tests and no intervals",
    }


def test_an_empty_study_is_refused_with_those_that_are_there(outputs: Path) -> None:
    with pytest.raises(UserError, match=r"no runs in .*nothing.* name one of the studies in .*: s\."):
        find_studies(outputs, ["nothing"])


@pytest.mark.parametrize("name", ["cycles.csv", "queries.csv"])
def test_a_table_that_lost_rows_is_left_out_and_named(outputs: Path, name: str) -> None:
    file = outputs / "s/multiclass/tiny/margin/seed1" / name
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    _, findings = read(outputs)
    assert "cycles.csv and queries.csv disagree" in findings[0].what
    assert "margin/seed1" in findings[0].where


def test_where_the_data_give_the_split_its_seed_and_shares_separate_no_runs(outputs: Path) -> None:
    for folder in outputs.glob("s/*/*/margin/seed*"):
        config = (folder / "config.yaml").read_text()
        assert "split: 0" in config
        (folder / "config.yaml").write_text(config.replace("split: 0", "split: 9"))
        seeds = json.loads((folder / "status.json").read_text())["seeds"]
        edit_status(folder, seeds={**seeds, "split": 9})
    (comparison,), _ = read(outputs)
    assert comparison.splits == (0, 9)
    assert comparison.pairs("margin", "random").repeats == ()
    for folder in outputs.glob("s/*/*/*/seed*"):
        data = json.loads((folder / "status.json").read_text())["data"]
        edit_status(folder, data={**data, "given_split": "0123"})
    (comparison,), findings = read(outputs)
    assert findings == []
    assert comparison.pairs("margin", "random").repeats == of_seeds(0, 1, 2, 3, 4)


def test_runs_of_several_splits_pair_by_split_and_seed(tmp_path: Path) -> None:
    write_study(tmp_path / "s", Simulated({"margin": 0.02, "random": 0.0}, seeds=(0, 1), splits=(0, 3, 10)))
    (comparison,), findings = read(tmp_path)
    assert findings == []
    assert comparison.splits == (0, 3, 10)
    pairs = comparison.pairs("margin", "random")
    assert pairs.repeats == tuple(Repeat(split, seed) for split in (0, 3, 10) for seed in (0, 1))
    assert [run.repeat for run in pairs.first] == [run.repeat for run in pairs.second] == [*pairs.repeats]
    assert pairs.units == Units("split", (0, 0, 1, 1, 2, 2), TEST / POOL)
    of_runs = comparison.curves("margin", COLUMN) - comparison.curves("random", COLUMN)
    np.testing.assert_allclose(pairs.differences(COLUMN), (of_runs[::2] + of_runs[1::2]) / 2)


def test_studies_begun_without_splits_go_on_with_further_ones(tmp_path: Path) -> None:
    effects = {"margin": 0.02, "random": 0.0}
    write_study(tmp_path / "s", Simulated(effects, seeds=(0, 1)))
    write_study(tmp_path / "s", Simulated(effects, seeds=(0, 1), splits=(1, 2)))
    (comparison,), findings = read(tmp_path)
    assert findings == []
    assert comparison.splits == (0, 1, 2)
    assert comparison.pairs("margin", "random").units.of == (0, 0, 1, 1, 2, 2)


def test_a_run_that_is_there_twice_counts_once_and_is_named(outputs: Path) -> None:
    of_strategy = outputs / "s/multiclass/tiny/margin"
    shutil.copytree(of_strategy / "seed1", of_strategy / "split0/seed1")
    (comparison,), (finding,) = read(outputs)
    assert comparison.pairs("margin", "random").repeats == of_seeds(0, 1, 2, 3, 4)
    places = {f"s/multiclass/tiny/margin/{place}" for place in ("seed1", "split0/seed1")}
    assert {finding.where, finding.what.removeprefix("the split and the seed of ")} == places


def test_a_missing_run_of_a_split_is_named_with_it(tmp_path: Path) -> None:
    write_study(tmp_path / "s", Simulated({"margin": 0.02, "random": 0.0}, seeds=(0, 1, 2), splits=(0, 1)))
    for place in ("split0/seed1", "split1/seed0", "split1/seed2"):
        shutil.rmtree(tmp_path / "s/multiclass/tiny/random" / place)
    (comparison,), (finding,) = read(tmp_path)
    assert finding.what == "no run to compare of random with seed 1 of split 0, seeds 0, 2 of split 1"
    assert comparison.pairs("margin", "random").repeats == (Repeat(0, 0), Repeat(0, 2), Repeat(1, 1))


def record_data(folder: Path, parts: str) -> None:
    data = json.loads((folder / "status.json").read_text())["data"]
    edit_status(folder, data={**data, "labels": "a", "groups": "b", "parts": parts})


def test_the_division_is_the_same_within_a_split_and_may_differ_between_splits(tmp_path: Path) -> None:
    write_study(tmp_path / "s", Simulated({"margin": 0.02, "random": 0.0}, seeds=(0, 1), splits=(0, 1)))
    for folder in tmp_path.glob("s/*/*/*/split*/seed*"):
        record_data(folder, f"of {folder.parent.name}")
    (comparison,), findings = read(tmp_path)
    assert (len(comparison.pairs("margin", "random").repeats), findings) == (4, [])
    record_data(tmp_path / "s/multiclass/tiny/margin/split1/seed1", "another")
    (comparison,), findings = read(tmp_path)
    assert len(comparison.pairs("margin", "random").repeats) == 3
    assert findings[0].where == "s/multiclass/tiny/margin/split1/seed1"
    assert "data parts another instead of of split1" in findings[0].what


def test_a_division_that_is_there_under_two_numbers_counts_once(tmp_path: Path) -> None:
    write_study(tmp_path / "s", Simulated({"margin": 0.02, "random": 0.0}, seeds=(0, 1), splits=(0, 1, 2)))
    for folder in tmp_path.glob("s/*/*/*/split*/seed*"):
        record_data(folder, "the same" if folder.parent.name != "split1" else "another")
    (comparison,), (finding,) = read(tmp_path)
    assert comparison.splits == (0, 1)
    assert finding.what == "split 2 divides the images just as split 0 does, and would count twice"


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({}, TEST / POOL),
        ({"data.split.folds": None}, TEST / POOL),
        ({"data.split.folds": 5}, TEST / (POOL + VALIDATION)),
        ({"data.split.by": "bobbin"}, TEST / (POOL + VALIDATION)),
    ],
)
def test_overlap_is_that_of_the_design(tmp_path: Path, overrides: dict[str, object], expected: float) -> None:
    simulated = Simulated({"random": 0.0}, seeds=(0,), splits=(0, 1), overrides=overrides)
    write_study(tmp_path / "s", simulated)
    (comparison,), _ = read(tmp_path)
    assert comparison.overlap == pytest.approx(expected)


def test_hyperparameters_that_were_chosen_with_tested_images_are_named_once_for_all_runs(tmp_path: Path) -> None:
    write_study(tmp_path / "s", Simulated({"margin": 0.02, "random": 0.0}, seeds=(0, 1), splits=(0, 1, 2)))
    for folder in (tmp_path / "s").glob("*/*/*/split[12]/seed*"):
        seen = {"source": "own/tiny_multiclass", "split": 0, "tested": 32, "seen": 20 + int(folder.parts[-2][-1])}
        edit_status(folder, hparams_chosen_on=seen)
    (comparison,), (finding,) = read(tmp_path)
    assert len(comparison.splits) == 3, "the runs are kept"
    assert "own/tiny_multiclass were chosen with split 0 of these data: 67 % of the images that" in finding.what
    assert "splits 1, 2 test (21 to 22 a split)" in finding.what
    assert "differences are hardly touched" in finding.consequence
