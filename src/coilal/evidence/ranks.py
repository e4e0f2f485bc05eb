"""Ranks of strategies over settings: Friedman test, Nemenyi's critical difference (Demšar 2006, JMLR 7, 3.2.2).

Test and quantile are scipy's. By hand are Iman and Davenport's F and the critical difference with its groups, one
formula each: scikit-posthocs, with which the tests compare, has p-values of pairs only, statsmodels has none of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

MIN_SETTINGS = 5
"""Fewer settings are not ranked: Friedman's test has next to no power, and its distribution does not hold."""
DEMSAR_SETTINGS = 10
"""From so many settings on the distribution of the test is the stated one (Demšar: N > 10, k > 5)."""


@dataclass(frozen=True)
class Ranking:
    """Mean ranks of k strategies over N settings.

    Attributes:
        ranks: mean rank of each strategy, best (1) first.
        settings: N.
        p: Friedman's test with Iman and Davenport's F distribution.
        critical_difference: ranks further apart than this differ (Nemenyi).
        groups: runs of neighbouring strategies that do not differ, as first and last position in ``ranks``.
    """

    ranks: pd.Series
    settings: int
    p: float
    critical_difference: float
    groups: tuple[tuple[int, int], ...]


def rank_strategies(scores: pd.DataFrame, alpha: float) -> Ranking:
    """Rank strategies in every setting and compare their mean ranks.

    Args:
        scores: settings × strategies (N, k), higher is better, one value a setting: the mean over its seeds.
            Seeds of one setting are no settings: they are not independent samples of problems.
        alpha: error rate of the critical difference.

    Raises:
        ValueError: fewer than 3 strategies or fewer settings than ``MIN_SETTINGS``.
    """
    settings, strategies = scores.shape
    if strategies < 3 or settings < MIN_SETTINGS:
        raise ValueError(f"{settings} settings and {strategies} strategies cannot be ranked")
    ranked = scores.rank(axis=1, ascending=False)
    means = ranked.mean(axis=0).sort_values(kind="stable")
    quantile = stats.studentized_range.ppf(1 - alpha, strategies, np.inf) / math.sqrt(2)
    difference = float(quantile * math.sqrt(strategies * (strategies + 1) / (6 * settings)))
    return Ranking(means, settings, _iman_davenport(scores), difference, _groups(means.to_numpy(), difference))


def _iman_davenport(scores: pd.DataFrame) -> float:
    settings, strategies = scores.shape
    if (scores.max(axis=1) == scores.min(axis=1)).all():
        return 1.0  # all strategies tie everywhere
    chi2 = stats.friedmanchisquare(*(scores[name] for name in scores)).statistic
    rest = settings * (strategies - 1) - chi2
    if rest <= 0:
        return 0.0  # the same ranks in every setting
    return float(stats.f.sf((settings - 1) * chi2 / rest, strategies - 1, (strategies - 1) * (settings - 1)))


def _groups(ranks: np.ndarray, difference: float) -> tuple[tuple[int, int], ...]:
    groups: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = int(np.flatnonzero(ranks <= ranks[first] + difference).max())
        if last > first and (not groups or last > groups[-1][1]):
            groups.append((first, last))
    return tuple(groups)
