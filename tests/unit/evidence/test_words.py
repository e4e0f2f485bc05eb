from __future__ import annotations

import math

import pytest

from coilal.evidence import words
from coilal.evidence.cost import Estimate
from coilal.evidence.savings import Saving

NAN = math.nan


def saving(labels: float, baseline: float, share: float, low: float = NAN, high: float = NAN) -> Saving:
    return Saving(0.8, labels, NAN, NAN, baseline, NAN, NAN, share, low, high, 1000, 10, 3)


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        *((0.0, "0 %"), (1.0, "100 %"), (0.454, "45 %"), (-1.754, "−175 %"), (0.994, "99 %"), (NAN, "–")),
        *((0.996, "99.6 %"), (0.9999, "> 99.9 %"), (0.004, "0.4 %"), (0.0001, "< 0.1 %"), (-0.0001, "> −0.1 %")),
    ],
)
def test_a_share_that_is_not_quite_all_or_nothing_is_not_called_so(share: float, expected: str) -> None:
    assert words.percentage(share) == expected


def test_levels_are_as_they_were_set() -> None:
    assert [words.level(share) for share in (0.95, 0.975, 0.999)] == ["95 %", "97.5 %", "99.9 %"]


def test_a_saving_is_said_as_fewer_or_more_labels() -> None:
    assert words.fewer_text(saving(40, 80, 0.5)) == "50 % fewer"
    assert words.fewer_text(saving(40, 80, 0.5, 0.2, 0.6)) == "50 % [20 %, 60 %] fewer"
    assert words.fewer_text(saving(40, math.inf, 0.96)) == "at least 96 % fewer"
    assert words.fewer_text(saving(math.inf, 360, -1.75)) == "at least 175 % more"
    assert words.fewer_text(saving(88, 80, -0.1, -0.4, 0.05)) == "10 % [−5 %, 40 %] more"


def test_the_saving_of_a_table_has_one_sign_of_censoring() -> None:
    assert words.saving_text(saving(40, math.inf, 0.96)) == "> 96 %"
    assert words.saving_text(saving(1, math.inf, 0.9999)) == "> 99.9 %"


def test_an_interval_that_repeats_its_price_is_left_out() -> None:
    assert words.break_even_text(Estimate(0.003, 0.001, 0.006, False), True) == "< 0.01"
    assert words.break_even_text(Estimate(0.003, 0.0, math.inf, False), True) == "< 0.01 [0, ∞]"


def test_a_small_rate_keeps_two_digits_and_few_are_not_none() -> None:
    assert [words.rate(share) for share in (0.0, 0.0004, 0.0123, 0.5, 0.997, 1.0)] == [
        *("0 %", "< 0.1 %", "1.2 %", "50 %", "99.7 %", "100 %")
    ]
    assert words.rate_range(0.0002, 0.16) == "0–16 %"


def test_one_is_not_called_many() -> None:
    assert [words.counted(number, "query", "queries") for number in (0, 1, 2)] == [
        "0 queries",
        "1 query",
        "2 queries",
    ]
    assert [words.counted(number, "part") for number in (1, 3)] == ["1 part", "3 parts"]
    assert [words.mean_of_runs(number) for number in (1, 3)] == ["one run", "mean of 3 runs"]
