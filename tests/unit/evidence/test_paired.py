from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

from coilal.evidence.paired import (
    bootstrap_interval,
    compare_with_baseline,
    detectable_effect,
    expanded_confidence,
    holm,
    paired_results,
    paired_t,
)
from coilal.evidence.report_settings import ReportSettings

SETTINGS = ReportSettings(margin=0.02)


def test_interval_and_p_values_agree_with_statsmodels() -> None:
    differences = np.random.default_rng(0).normal(0.01, 0.02, (4, 6))
    found = paired_t(differences, 0.02, 0.95)
    for row, values in enumerate(differences):
        peer = DescrStatsW(values)
        np.testing.assert_allclose((found.low[row], found.high[row]), peer.tconfint_mean(0.05))
        np.testing.assert_allclose(found.p[row], peer.ttest_mean(0)[1])
        np.testing.assert_allclose(found.p_inferior[row], peer.ttest_mean(-0.02, alternative="larger")[1])


def test_p_value_agrees_with_scipys_related_samples() -> None:
    generator = np.random.default_rng(1)
    first, second = generator.normal(0.7, 0.1, 8), generator.normal(0.68, 0.1, 8)
    assert float(paired_t(first - second, 0.02, 0.95).p) == pytest.approx(stats.ttest_rel(first, second).pvalue)


@pytest.mark.parametrize("differences", [[0.3], [0.1, 0.1, 0.1], [0.0, 0.0, 0.0]])
def test_without_spread_nothing_is_tested(differences: list[float]) -> None:
    found = paired_t(differences, 0.02, 0.95)
    assert np.isnan([found.low, found.high, found.p, found.p_inferior]).all()
    decision = compare_with_baseline({"a": np.array(differences)}, SETTINGS)["a"]
    assert (decision.superiority, decision.noninferiority) == ("untested", "untested")


def test_holm_agrees_with_statsmodels() -> None:
    for count in (1, 2, 7):
        p_values = np.random.default_rng(count).uniform(0, 0.5, count)
        np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1])


def test_holm_skips_what_was_not_tested() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, np.nan, 0.03, 0.5]), [0.04, 0.09, np.nan, 0.09, 0.5])
    assert np.isnan(holm([np.nan])).all()


@pytest.mark.parametrize(("seeds", "effect"), [(3, 3.26), (5, 1.68), (10, 1.00), (20, 0.66), (50, 0.40)])
def test_detectable_effects_are_those_of_the_definition(seeds: int, effect: float) -> None:
    assert detectable_effect(seeds, 0.05) == pytest.approx(effect, abs=0.005)


def test_detectable_effect_is_found_in_four_of_five_simulated_studies() -> None:
    effect = detectable_effect(5, 0.05)
    differences = np.random.default_rng(2).normal(effect, 1, (20_000, 5))
    assert (paired_t(differences, 1, 0.95).p < 0.05).mean() == pytest.approx(0.8, abs=0.01)


def test_detectable_effect_needs_two_seeds() -> None:
    assert math.isnan(detectable_effect(1, 0.05))


def test_expanded_level_follows_hesterberg() -> None:
    for seeds in (5, 10, 50):
        tail = (1 - expanded_confidence(seeds, 0.95)) / 2
        assert stats.norm.isf(tail) == pytest.approx(np.sqrt(seeds / (seeds - 1)) * stats.t.isf(0.025, seeds - 1))
    assert expanded_confidence(10_000, 0.95) == pytest.approx(0.95, abs=1e-4)


def test_bootstrap_interval_agrees_with_brute_force() -> None:
    values = np.random.default_rng(3).normal(0, 1, 12)
    low, high = bootstrap_interval(values, ReportSettings(resamples=20_000))
    means = np.random.default_rng(4).choice(values, (20_000, 12)).mean(axis=1)
    tail = (1 - expanded_confidence(12, 0.95)) / 2
    np.testing.assert_allclose((low, high), np.quantile(means, [tail, 1 - tail]), atol=0.03)


def test_bootstrap_interval_is_withheld_where_it_cannot_cover() -> None:
    assert np.isnan(bootstrap_interval(np.array([0.1, 0.2, 0.3, 0.4, 0.5]), SETTINGS)).all()


def test_wilcoxon_agrees_with_counting_signs() -> None:
    differences = np.array([0.01, 0.02, 0.03, 0.04, 0.05])
    (result,) = paired_results({"a": (range(5), differences)}, SETTINGS)
    assert result.p_wilcoxon == pytest.approx(2 / 2**5), "five seeds cannot go below 0.0625"


def test_decisions() -> None:
    spread = np.array([-0.01, -0.005, 0.0, 0.005, 0.01])
    decided = compare_with_baseline(
        {"better": 0.05 + spread, "same": spread, "worse": spread - 0.05, "noisy": 10 * spread}, SETTINGS
    )
    assert {name: (found.superiority, found.noninferiority) for name, found in decided.items()} == {
        "better": ("surpasses", "not worse"),
        "same": ("undecided", "not worse"),
        "worse": ("falls below", "not shown"),
        "noisy": ("undecided", "not shown"),
    }


@pytest.mark.slow
def test_not_worse_is_claimed_only_if_the_interval_lies_above_the_margin() -> None:
    generator = np.random.default_rng(5)
    for _ in range(300):
        family = {str(k): generator.normal(-0.01, 0.02, 6) for k in range(3)}
        for found in compare_with_baseline(family, SETTINGS).values():
            if found.noninferiority == "not worse":
                assert float(found.test.low) > -SETTINGS.margin
            if found.superiority != "undecided":
                assert not float(found.test.low) <= 0 <= float(found.test.high)
