from __future__ import annotations

import math

import pytest

from benchmarks.agreement import ABSOLUTE, agreement
from benchmarks.report import Cycle, Report


def report(values: dict[int, list[float]]) -> Report:
    """From macro-F1 of each seed at each number of labelled images."""
    return Report([Cycle(seed, count, macro_f1=f1) for count, row in values.items() for seed, f1 in enumerate(row)])


def test_several_seeds_are_compared_at_the_last_count() -> None:
    found = agreement(report({10: [0.3, 0.4], 20: [0.5, 0.6]}), report({10: [0.9, 0.9], 20: [0.5, 0.8, 0.1]}))
    assert (found.labelled, found.seeds) == (20, 2)
    assert found.difference == pytest.approx(-0.1)


def test_one_seed_is_compared_where_all_have_the_same_images() -> None:
    found = agreement(report({10: [0.30], 20: [0.1]}), report({10: [0.32, 0.90], 20: [0.8, 0.9]}))
    assert (found.labelled, found.seeds, found.tolerance) == (10, 1, ABSOLUTE)
    assert found.difference == pytest.approx(-0.02)


def test_differences_that_scatter_allow_more() -> None:
    found = agreement(report({10: [0.3, 0.6, 0.6]}), report({10: [0.3, 0.5, 0.7]}))
    assert found.tolerance == pytest.approx(3 * 0.1 / math.sqrt(3))
    assert found.holds


def test_a_real_difference_is_found() -> None:
    reference = report({10: [0.50, 0.51, 0.49]})
    assert not agreement(report({10: [0.42, 0.43, 0.41]}), reference).holds
    found = agreement(report({10: [0.46, 0.47, 0.45]}), reference)
    assert found.holds
    assert found.tolerance == ABSOLUTE
