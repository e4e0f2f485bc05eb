"""Intervals of a share against statsmodels, and over simulated groups."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from coilal.evidence.proportion import clustered, exact
from coilal.inspection.line import effective_size


@pytest.mark.parametrize(("count", "of"), [(0, 41), (2, 41), (41, 41), (1, 3)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_exact_interval_is_that_of_scipy(count: int, of: int, level: float) -> None:
    expected = binomtest(count, of).proportion_ci(level, "exact")
    assert exact(count, of, level) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_two_of_forty_one() -> None:
    assert exact(2, 41) == pytest.approx((0.006, 0.165), abs=5e-4)


def test_a_mean_count_has_an_interval_between_those_of_its_neighbours() -> None:
    ends = np.array([exact(count, 41) for count in (2, 2.4, 3)])
    assert (np.diff(ends, axis=0) > 0).all()
    assert ends[1] == pytest.approx(proportion_confint(2.4, 41, 0.05, "beta"))


def test_images_that_are_groups_have_the_exact_interval() -> None:
    assert clustered(4, 60, 60, 60) == exact(4, 60)


def test_groups_widen_the_interval() -> None:
    low, high = clustered(12, 60, 20, 10)
    assert low < exact(12, 60)[0] < exact(12, 60)[1] < high
    assert exact(4, 20)[1] < high, "ten groups leave few degrees of freedom"


@pytest.mark.parametrize("groups", [2, 7, 29])
def test_none_and_all_of_the_images_say_as_much_as_none_and_all_of_their_groups(groups: int) -> None:
    images = 22 * groups
    assert clustered(0, images, groups, groups) == exact(0, groups)
    assert clustered(images, images, groups, groups) == exact(groups, groups)
    ends = [clustered(count, images, groups, groups)[1] for count in (0, 0.1, 1, 22)]
    assert ends == sorted(ends)


def test_of_one_group_nothing_is_known_of_others() -> None:
    assert all(map(math.isnan, clustered(3, 10, 1, 1)))


@pytest.mark.parametrize(("share", "alike", "least"), [(0.2, 0.0, 0.94), (0.2, 0.3, 0.93), (0.05, 0.3, 0.9)])
def test_the_interval_covers_the_share_however_alike_the_images_of_a_group_are(
    share: float, alike: float, least: float
) -> None:
    """Twenty groups of eight images; the exact interval, which knows no groups, covers 0.8 and less."""
    rng, groups = np.random.default_rng(5), np.arange(20).repeat(8)
    found = {"clustered": 0, "exact": 0}
    for _ in range(600):
        of_group = np.full(20, share)
        if alike:
            of_group = rng.beta(share * (1 / alike - 1), (1 - share) * (1 / alike - 1), 20)
        flags = rng.random(160) < of_group[groups]
        intervals = {
            "clustered": clustered(flags.sum(), 160, effective_size(flags, groups), 20),
            "exact": exact(flags.sum(), 160),
        }
        for name, (low, high) in intervals.items():
            found[name] += low <= share <= high
    assert found["clustered"] / 600 >= least
    assert alike == 0 or found["exact"] / 600 < 0.85
