from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from coilal.evidence.analysis import analyse
from coilal.evidence.comparison import Comparison, compare
from coilal.evidence.cost import Estimate
from coilal.evidence.desk import Desk
from coilal.evidence.headline import Headline, _from, headline, nothing_compared, worth
from coilal.evidence.leading import leading
from coilal.evidence.plots import looks_of
from coilal.evidence.reading import Run, find_studies, read_runs
from coilal.evidence.report_settings import Prices, ReportSettings
from tests.studies import Simulated, write_study

SETTINGS = ReportSettings(resamples=200)


def comparison(folder: Path, effects: Mapping[str, float], seeds: int) -> Comparison:
    write_study(folder / "s", Simulated(effects, range(seeds)))
    runs = [run for run in read_runs(find_studies(folder, ["s"]), SETTINGS.column) if isinstance(run, Run)]
    (found,), _ = compare(runs, "random")
    return found


def first_screen(found: Comparison, folder: Path) -> Headline:
    return headline(Desk(analyse(found, SETTINGS), folder, looks_of("random", found.runs), None))


def test_three_sentences_a_picture_and_a_row_a_strategy(tmp_path: Path) -> None:
    seen = first_screen(comparison(tmp_path, {"random": 0.0, "margin": 0.08, "entropy": 0.06}, 8), tmp_path)
    better, escapes, money = seen.sentences
    assert better.startswith("Choosing images with margin is better than with random, as entropy is: macro F1 0.")
    assert escapes.startswith("With 100 labels the model passes faulty test images as good: ")
    assert "margin pays" in money
    assert seen.table["strategy"].tolist() == ["margin", "entropy", "random"]
    assert seen.table["better than random?"].tolist() == ["yes", "yes", "–"]
    assert seen.row["strategy"] == "margin"
    assert (tmp_path / "headline.png").exists()


def test_without_evidence_the_numbers_are_said_to_be_chance(tmp_path: Path) -> None:
    seen = first_screen(comparison(tmp_path, {"random": 0.0, "margin": 0.001}, 4), tmp_path)
    assert seen.sentences[0].startswith("No strategy is shown to be better than random. In these runs macro F1")
    assert seen.sentences[0].endswith("which may be chance.")


def test_one_seed_decides_nothing(tmp_path: Path) -> None:
    seen = first_screen(comparison(tmp_path, {"random": 0.0, "margin": 0.1}, 1), tmp_path)
    assert seen.sentences[0].startswith("So few runs decide nothing. ")
    assert "better than random?" not in seen.table


def test_escapes_that_are_not_known_are_said_not_to_be(tmp_path: Path) -> None:
    found = comparison(tmp_path, {"random": 0.0, "margin": 0.1}, 3)

    def without(run: Run, drop: bool) -> Run:
        cycles = (
            run.cycles.drop(columns="test/escape_rate")
            if drop
            else run.cycles.assign(**{"test/escape_rate": np.nan})
        )
        return replace(run, cycles=cycles)

    for drop, reason in ((True, "the data name no fault-free class"), (False, "no test image has one")):
        runs = {name: {key: without(run, drop) for key, run in of.items()} for name, of in found.runs.items()}
        seen = first_screen(replace(found, runs=runs), tmp_path)
        assert seen.sentences[1] == f"How many faults would escape is not known: {reason}."


def first_of(folder: Path, settings: ReportSettings = SETTINGS, **simulated: Any) -> Headline:
    write_study(folder / "s", Simulated({"random": 0.0, "margin": 0.1}, **simulated))
    runs = [run for run in read_runs(find_studies(folder, ["s"]), settings.column) if isinstance(run, Run)]
    (found,), _ = compare(runs, "random")
    return headline(Desk(analyse(found, settings), folder, looks_of("random", found.runs), None))


@pytest.mark.parametrize(
    ("seeds", "splits", "caveat"),
    [
        (3, 3, " on 3 splits × 3 seeds, which are few (five splits at the least, better ten)"),
        (3, 4, " on 4 splits × 3 seeds, which are few (five splits at the least, better ten)"),
        (3, 5, ""),
        (4, None, " on 4 seeds, which are few (six seeds at the least, better ten)"),
        (6, None, ""),
    ],
)
def test_what_few_have_shown_is_said_with_a_caveat(
    tmp_path: Path, seeds: int, splits: int | None, caveat: str
) -> None:
    seen = first_of(tmp_path, seeds=range(seeds), splits=splits and range(splits), split_noise=0.003)
    assert seen.sentences[0].startswith(f"Choosing images with margin is better than with random{caveat}: macro F1")


def test_wrong_labels_are_said(tmp_path: Path) -> None:
    found = comparison(tmp_path, {"random": 0.0, "margin": 0.1}, 6)
    assert "wrong" not in first_screen(found, tmp_path).sentences[0]

    def erred(run: Run) -> Run:
        told = run.queries
        return replace(run, asked={**run.asked, "true": ["none" if k % 5 == 0 else "" for k in range(len(told))]})

    runs = {name: {key: erred(run) for key, run in of.items()} for name, of in found.runs.items()}
    seen = first_screen(replace(found, runs=runs), tmp_path)
    assert seen.sentences[0].endswith(
        "Of the labels that they learn from 20 % are wrong, on purpose (settings of the oracle)."
    )
    assert len(seen.sentences) == 3


def test_what_is_lost_on_an_unseen_type_is_said(tmp_path: Path) -> None:
    write_study(
        tmp_path / "s",
        Simulated({"random": 0.0, "margin": 0.1}, range(2), splits=range(3), overrides={"data.split.by": "bobbin"}),
    )
    for run in read_runs(find_studies(tmp_path, ["s"]), SETTINGS.column):
        assert isinstance(run, Run)
        path = run.folder / "status.json"
        status = json.loads(path.read_text())
        status["data"]["left_out"] = f"bobbin={run.split}"
        path.write_text(json.dumps(status))
        cycles = pd.read_csv(run.folder / "cycles.csv")
        cycles["val/macro_f1"] = cycles["test/macro_f1"] + 0.1
        cycles.to_csv(run.folder / "cycles.csv", index=False)
    seen = first_of(tmp_path / "none", seeds=range(2), splits=range(3))
    assert "never seen" not in seen.sentences[1]
    runs = [run for run in read_runs(find_studies(tmp_path, ["s"]), SETTINGS.column) if isinstance(run, Run)]
    (found,), _ = compare(runs, "random")
    seen = first_screen(found, tmp_path)
    assert "That is on a bobbin never seen in training: there macro F1 with margin is 0." in seen.sentences[1]
    assert "(lost: +0.100 [+0.100, +0.100])" in seen.sentences[1]


def test_how_many_labels_are_worth_buying_is_said_where_prices_are_set(tmp_path: Path) -> None:
    found = comparison(tmp_path, {"random": 0.0, "margin": 0.1}, 3)

    def priced(run: Run) -> Run:
        run = at_the_line(run, 40)
        rates = {"test/group/escape_rate": [0.5, 0.1, 0.1, 0.1, 0.1], "test/group/overkill_rate": 0.05}
        return replace(run, cycles=run.cycles.assign(**rates))

    runs = {name: {key: priced(run) for key, run in of.items()} for name, of in found.runs.items()}
    found = replace(found, runs=runs)
    assert "worth buying" not in " ".join(first_screen(found, tmp_path).sentences)
    settings = replace(SETTINGS, prices=Prices(escape=50, overkill=2))
    desk = Desk(analyse(found, settings), tmp_path, looks_of("random", found.runs), None)
    money = headline(desk).sentences[2]
    assert money.endswith(
        "With margin 40 labels are worth buying, where a faulty part that passes costs 50 and a fault-free one "
        "that is rejected 2."
    )


@pytest.mark.parametrize(
    ("values", "price", "expected"),
    [
        ((math.inf, math.inf, math.inf, False), 0.1, "in these runs it does at no price of a label"),
        (
            (math.inf, 0.0, math.inf, True),
            0.1,
            "from which price of a label on it does cannot be said from these runs",
        ),
        ((0.05, math.nan, math.nan, False), 0.1, "is 0.05, and so few runs give no interval"),
        (
            (0.05, 0.0, math.inf, False),
            0.1,
            "from which price of a label on it does cannot be said from these runs",
        ),
        (
            (0.001, 0.0, math.inf, False),
            0.1,
            "from which price of a label on it does cannot be said from these runs",
        ),
        ((0.05, 0.02, math.inf, False), 0.1, "is 0.05 [0.02, ∞], and the assumed one lies within"),
        ((0.0, 0.0, 0.05, False), 0.1, "so it does from 0.05 EUR a label on"),
        ((0.001, 0.0, 0.002, False), 0.1, "so it does from 0.01 EUR a label on"),
    ],
)
def test_the_break_even_price_is_said_in_a_sentence(
    values: tuple[float, float, float, bool], price: float, expected: str
) -> None:
    cost: Any = SimpleNamespace(break_even=Estimate(*values))
    assert _from([cost], worth([cost], price), Prices()).endswith(expected)


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_the_best_curve_leads(tmp_path: Path, order: tuple[str, str]) -> None:
    found = comparison(tmp_path, {"random": 0.0, order[0]: 0.1, order[1]: 0.0}, 3)
    assert leading(found, SETTINGS.column) == list(order)


def at_the_line(run: Run, good: float) -> Run:
    """Return a run with figures of an inspection line: of images and, from so many fault-free groups, of groups."""
    figures = {
        "val/point/good": 60.0, "test/point/faulty": 100.0, "test/point/escaped": 8.0, "test/point/good": 100.0,
        "test/point/rejected": 4.0, "test/point/faulty_groups": 20.0, "test/point/faulty_effective": 40.0,
        "test/point/good_groups": 20.0, "test/point/good_effective": 40.0,
        "val/group/good": good, "test/group/faulty": 41.0, "test/group/escaped": 2.0, "test/group/good": 10.0,
        "test/group/rejected": 1.0, "test/calibration/ece": 0.1, "test/calibration/ece_scaled": 0.1,
        "val/calibration/temperature": 1.0,
    }  # fmt: skip
    return replace(run, cycles=run.cycles.assign(**figures), config={**run.config, "inspection.overkill": 5})


@pytest.mark.parametrize(("good", "expected"), [(40, "2 of 41 faulty groups"), (1, "8 of 100 faulty images")])
def test_what_escapes_is_said_of_groups_where_enough_give_a_threshold(
    tmp_path: Path, good: float, expected: str
) -> None:
    found = comparison(tmp_path, {"random": 0.0, "margin": 0.1}, 3)
    runs = {name: {key: at_the_line(run, good) for key, run in of.items()} for name, of in found.runs.items()}
    sentence = first_screen(replace(found, runs=runs), tmp_path).sentences[1]
    assert sentence.startswith(
        "With 100 labels, and a threshold that rejects at most 5 % of the fault-free validation"
    )
    assert f"{expected} with margin (" in sentence
    assert "95 % interval" in sentence
    assert "of the fault-free are rejected" in sentence
    reason = "Of groups (coils) nothing is said: 5 % of 1 fault-free validation group is less than one"
    assert (reason in sentence) == (good == 1)
    assert ("data.split.validation" in sentence) == (good == 1)


def test_where_none_may_be_rejected_few_groups_give_a_threshold_all_the_same(tmp_path: Path) -> None:
    found = comparison(tmp_path, {"random": 0.0, "margin": 0.1}, 3)

    def strict(run: Run) -> Run:
        run = at_the_line(run, 2)
        return replace(run, config={**run.config, "inspection.overkill": 0})

    runs = {name: {key: strict(run) for key, run in of.items()} for name, of in found.runs.items()}
    sentence = first_screen(replace(found, runs=runs), tmp_path).sentences[1]
    assert "2 of 41 faulty groups" in sentence
    assert "nothing is said" not in sentence


def test_why_nothing_is_compared_is_said(tmp_path: Path) -> None:
    found = comparison(tmp_path, {"random": 0.0, "margin": 0.1}, 3)
    alone = replace(found, runs={"random": found.runs["random"]})
    assert nothing_compared(alone) == "There are runs of random only: nothing is compared."
    assert first_screen(alone, tmp_path).sentences[0] == nothing_compared(alone)
    without = replace(found, runs={"margin": found.runs["margin"]})
    assert nothing_compared(without) == "There are no finished runs of random to compare with."
    relabelled = "Nothing is compared: runs of {} (other labels) are left out; see the remarks at the top."
    assert nothing_compared(replace(alone, left_out={"margin": "other labels"})) == relabelled.format("margin")
    assert nothing_compared(replace(without, left_out={"random": "other labels"})) == relabelled.format("random")
    assert nothing_compared(found) == (
        "Nothing is compared: no strategy shares a split and seed with random; see the remarks at the top."
    )
