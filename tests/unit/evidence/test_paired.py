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
from coilal.evidence.units import Repeat, Units

SETTINGS = ReportSettings(margin=0.02)


def repeats(seeds: int) -> list[Repeat]:
    return [Repeat(0, seed) for seed in range(seeds)]


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
    (result,) = paired_results({"a": (repeats(5), Units.seeds(5), differences)}, SETTINGS)
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


def test_splits_are_tested_as_nadeau_and_bengio_do() -> None:
    """Their statistic written out: mean / sqrt((1/k + n_test/n_train) S²), Student's t with k − 1 degrees."""
    values, overlap = np.random.default_rng(6).normal(0.02, 0.02, 10), 0.25 / 0.6
    found = paired_t(values, 0.02, 0.95, overlap)
    error = math.sqrt((1 / 10 + overlap) * values.var(ddof=1))
    assert float(found.p) == pytest.approx(2 * stats.t.sf(abs(values.mean() / error), 9))
    assert float(found.p_inferior) == pytest.approx(stats.t.sf((values.mean() + 0.02) / error, 9))
    expected = stats.t.interval(0.95, 9, values.mean(), error)
    np.testing.assert_allclose((found.low, found.high), expected)
    assert float(found.mean) == values.mean()


def test_two_splits_are_not_tested() -> None:
    assert np.isnan(paired_t([0.1, 0.2], 0.02, 0.95, 0.3).p)
    assert np.isnan(detectable_effect(2, 0.05, 0.3))
    assert np.isfinite(paired_t([0.1, 0.2, 0.15], 0.02, 0.95, 0.3).p)


def test_detectable_effect_of_splits_is_found_where_they_correlate_as_is_assumed() -> None:
    splits, overlap = 5, 0.25 / 0.6
    effect = detectable_effect(splits, 0.05, overlap)
    generator = np.random.default_rng(7)
    own = generator.normal(0, 1, (20_000, splits))  # what the splits show of their spread
    common = generator.normal(0, math.sqrt(overlap), (20_000, 1))  # what they have in common
    assert (paired_t(effect + own + common, 1, 0.95, overlap).p < 0.05).mean() == pytest.approx(0.8, abs=0.01)


def test_results_of_splits_are_over_the_means_of_their_seeds() -> None:
    generator = np.random.default_rng(8)
    pairs = [Repeat(split, seed) for split in range(6) for seed in range(3) if (split, seed) != (2, 1)]
    units = Units.splits([pair.split for pair in pairs], 0.3)
    deltas = generator.normal(0.03, 0.02, len(pairs))
    (result,) = paired_results({"a": (pairs, units, deltas)}, SETTINGS)
    means = [deltas[[pair.split == split for pair in pairs]].mean() for split in range(6)]
    assert result.mean == pytest.approx(np.mean(means))
    assert result.sd == pytest.approx(np.std(means, ddof=1))
    assert result.p_t == pytest.approx(float(paired_t(means, 0.02, 0.95, 0.3).p))
    assert math.isnan(result.p_wilcoxon)
    assert result.bootstrap_low < result.mean < result.bootstrap_high
    assert result.detectable == pytest.approx(detectable_effect(6, 0.05, 0.3) * result.sd)
