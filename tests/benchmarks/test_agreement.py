from __future__ import annotations

import pytest
from scipy import stats

from benchmarks.agreement import ABSOLUTE, agreement, averaged
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


def test_several_seeds_are_compared_as_a_paired_t_test_does() -> None:
    values, reference = [0.30, 0.61, 0.60, 0.50], [0.31, 0.60, 0.61, 0.50]
    found = agreement(report({10: values}), report({10: reference}))
    interval = stats.ttest_rel(values, reference).confidence_interval(0.99)
    assert found.difference - found.tolerance == pytest.approx(interval.low)
    assert found.difference + found.tolerance == pytest.approx(interval.high)
    assert found.holds


def test_a_real_difference_is_found_however_small() -> None:
    reference = report({10: [0.50, 0.51, 0.49]})
    assert not agreement(report({10: [0.46, 0.47, 0.451]}), reference).holds
    assert not agreement(report({10: [0.49, 0.50, 0.48]}), reference).holds
    assert agreement(reference, reference).holds


def test_few_or_scattered_seeds_excuse_no_large_difference() -> None:
    found = agreement(report({10: [0.7, 0.6]}), report({10: [0.5, 0.55]}))
    assert found.tolerance == ABSOLUTE
    assert not found.holds


def test_repeats_are_averaged() -> None:
    found = averaged([report({10: [0.2, 0.4], 20: [0.6, 0.8]}), report({10: [0.4, 0.4], 20: [0.8, 0.8]})])
    assert found.macro_f1(10) == pytest.approx([0.3, 0.4])
    assert found.macro_f1(20) == pytest.approx([0.7, 0.8])
