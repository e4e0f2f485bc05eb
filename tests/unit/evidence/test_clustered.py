"""Intervals where images of one group are alike: against other implementations, and by simulation."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.stats import norm, t

from coilal.evidence.clustered import gain, share_interval
from coilal.evidence.proportion import exact
from coilal.inspection.line import design_effect

STUDIES = int(os.environ.get("COILAL_STUDIES", "400"))
"""Simulated audit sets a case; docs/evaluation.md has the numbers of 4,000."""


@pytest.mark.parametrize(("right", "of"), [(0, 7), (3, 7), (1, 1), (58, 64)])
def test_the_interval_of_independent_images_is_exact(right: int, of: int) -> None:
    assert share_interval(np.arange(of) < right, np.arange(of)) == exact(right, of)


def test_the_design_effect_is_the_ratio_of_cluster_robust_and_usual_variance() -> None:
    generator = np.random.default_rng(0)
    group = np.repeat(np.arange(9), generator.integers(2, 9, 9))
    value = (generator.random(9)[group] + generator.random(len(group)) > 1.0).astype(float)
    frame = pd.DataFrame({"value": value, "group": group})
    robust = smf.ols("value ~ 1", frame).fit(
        cov_type="cluster", cov_kwds={"groups": frame["group"], "use_correction": False}
    )
    n = len(value)
    expected = robust.bse["Intercept"] ** 2 * 9 / 8 / (value.var() / n)
    assert expected > 1
    assert design_effect(value - value.mean(), group) == pytest.approx(expected)


def test_alike_views_widen_the_interval_and_one_group_says_nothing() -> None:
    right = np.repeat([1, 1, 1, 1, 1, 1, 1, 1, 0, 0], 7).astype(bool)
    group = np.repeat(np.arange(10), 7)
    low, high = share_interval(right, group)
    narrow = exact(56, 70)
    assert low < narrow[0] < narrow[1] < high
    spread = share_interval(right, np.tile(np.arange(10), 7))
    assert narrow[1] - narrow[0] < spread[1] - spread[0] < high - low
    assert share_interval(right, np.zeros(70, dtype=int)) == (0.0, 1.0)
    assert share_interval(np.ones(70, dtype=bool), group)[0] < exact(70, 70)[0]


def test_the_paired_difference_of_independent_images_is_that_of_agresti_and_min() -> None:
    before = np.array([True] * 40 + [False] * 24)
    after = np.array([True] * 38 + [False] * 2 + [True] * 10 + [False] * 14)
    found = gain(before, after, np.arange(64))
    gained, lost, n = 10.5, 2.5, 66
    centre = (gained - lost) / n
    half = t.ppf(0.975, 63) * np.sqrt(gained + lost - (gained - lost) ** 2 / n) / n
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half))
    assert (found.value, found.before, found.after) == pytest.approx((8 / 64, 40 / 64, 48 / 64))


def test_where_no_image_changes_the_difference_is_not_known_to_be_nothing() -> None:
    right = np.arange(64) % 5 > 0
    found = gain(right, right, np.repeat(np.arange(16), 4))
    assert found.value == 0
    assert -0.04 < found.low < -0.02 < 0.02 < found.high < 0.04
    one = gain(right, ~right, np.zeros(64, dtype=int))
    assert (one.low, one.high, one.groups) == (-1, 1, 1)


@pytest.mark.parametrize(
    ("groups", "views", "share", "alike", "at_least"),
    [
        (10, 7, 0.9, 0.1, 95),
        (10, 7, 0.9, 0.3, 92),
        (16, 4, 0.9, 0.3, 93),
        (30, 3, 0.97, 0.1, 95),
    ],
)
def test_the_interval_of_the_share_covers(
    groups: int, views: int, share: float, alike: float, at_least: float
) -> None:
    """Shares of groups are beta-distributed with this intraclass correlation."""
    generator, group = np.random.default_rng(1), np.repeat(np.arange(groups), views)
    covered = naive = 0
    for _ in range(STUDIES):
        scale = (1 - alike) / alike if alike else np.inf
        of_group = generator.beta(share * scale, (1 - share) * scale, groups) if alike else np.full(groups, share)
        right = generator.random(groups * views) < of_group[group]
        low, high = share_interval(right, group)
        covered += low <= share <= high
        low, high = exact(float(right.sum()), len(right))
        naive += low <= share <= high
    print(f"{groups} × {views}, share {share}, alike {alike}: {100 * covered / STUDIES:.1f} %", end=" ")
    print(f"(images taken for independent: {100 * naive / STUDIES:.1f} %)")
    assert 100 * covered / STUDIES >= at_least - 2
    assert naive <= covered


@pytest.mark.parametrize(
    ("groups", "views", "before", "after", "alike", "same"),
    [
        (10, 7, 0.8, 0.8, 0.3, 0.5),
        (10, 7, 0.8, 0.9, 0.3, 0.95),
        (16, 4, 0.95, 0.95, 0.3, 0.95),
        (16, 4, 0.9, 0.94, 0.3, 0.5),
        (64, 1, 0.9, 0.94, 0.0, 0.95),
    ],
)
def test_the_interval_of_a_gain_covers_and_no_difference_is_seldom_found(
    groups: int, views: int, before: float, after: float, alike: float, same: float
) -> None:
    """An image is right where a normal number, shared in part by its group and by both models, is small enough."""
    generator, group = np.random.default_rng(2), np.repeat(np.arange(groups), views)
    covered, found_more, found_less = 0, 0, 0
    for _ in range(STUDIES):
        first, second = (
            np.sqrt(alike) * of_group[group] + np.sqrt(1 - alike) * own
            for of_group, own in zip(
                _alike(generator, groups, same), _alike(generator, groups * views, same), strict=True
            )
        )
        found = gain(first < norm.ppf(before), second < norm.ppf(after), group)
        covered += found.low <= after - before <= found.high
        found_more += found.low > 0
        found_less += found.high < 0
    rates = [100 * count / STUDIES for count in (covered, found_more, found_less)]
    print(f"{groups} × {views}, {before} → {after}, alike {alike}, same {same}: covers {rates[0]:.1f} %, ", end="")
    print(f"better {rates[1]:.1f} %, worse {rates[2]:.1f} %")
    assert rates[0] >= 92
    if before == after:
        assert max(rates[1:]) <= 4


def _alike(generator: np.random.Generator, number: int, same: float) -> tuple[np.ndarray, np.ndarray]:
    first, other = generator.standard_normal((2, number))
    return first, same * first + np.sqrt(1 - same**2) * other
