"""Paired comparison with the baseline over seeds or splits: superiority, non-inferiority, what n can detect.

Seeds of one split are tested as they are; splits overlap, and their tests are corrected for that
(``coilal.evidence.units``).

The interval that decides is Student's t interval of the mean difference. A bootstrap interval of so few
seeds is too narrow (its mean can never leave the range of the data: with 3 seeds it covers at most 75 %),
so it is shown beside the other and decides nothing. See docs/evaluation.md for the measured coverage.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.stats.power import TTestPower

from coilal.common.types import FloatArray
from coilal.evidence.report_settings import ReportSettings
from coilal.evidence.units import BOOTSTRAP_SEEDS, BOOTSTRAP_SPLITS, MIN_SPLITS, Repeat, Units, stretch, stretched

Superiority = Literal["surpasses", "falls below", "undecided", "untested"]
NonInferiority = Literal["not worse", "not shown", "untested"]

POWER = 0.8


@dataclass(frozen=True)
class PairedT:
    """Paired t-tests, each attribute an array over the leading axes of the differences.

    Attributes:
        mean: mean difference.
        low: lower end of the two-sided interval of the mean.
        high: upper end.
        p: two-sided, of «no difference».
        p_inferior: one-sided, of «worse by the margin or more».
    """

    mean: FloatArray
    low: FloatArray
    high: FloatArray
    p: FloatArray
    p_inferior: FloatArray


def paired_t(differences: ArrayLike, margin: float, confidence: float, overlap: float = 0.0) -> PairedT:
    """Test paired differences (…, n) along the last axis.

    Where the n differences are all the same number there is no spread to test against, and with n = 1
    neither: interval and p-values are NaN. So they are for fewer than three splits.

    Args:
        differences: of seeds, or of splits (the mean over the seeds of each).
        margin: δ of non-inferiority.
        confidence: level of the interval.
        overlap: n_test/n_train of splits: the corrected resampled t-test (Nadeau and Bengio 2003); 0 for seeds.
    """
    values = np.asarray(differences, dtype=np.float64)
    mean = np.asarray(values.mean(axis=-1))
    untestable = np.ptp(values, axis=-1) <= 1e-12
    # scipy's test of the stretched values is the corrected test of the values: s²/n is S²·(1/n + overlap)
    spread = np.where(untestable[..., None], np.nan, stretched(values, overlap))
    if values.shape[-1] < (MIN_SPLITS if overlap else 2):
        nothing = np.full(mean.shape, np.nan)
        return PairedT(mean, nothing, nothing, nothing, nothing)
    equal = stats.ttest_1samp(spread, 0.0, axis=-1)
    interval = equal.confidence_interval(confidence)
    inferior = stats.ttest_1samp(spread, -margin, axis=-1, alternative="greater")
    arrays = (interval.low, interval.high, equal.pvalue, inferior.pvalue)
    return PairedT(mean, *(np.asarray(array, dtype=np.float64) for array in arrays))


def holm(p_values: ArrayLike) -> FloatArray:
    """Return p-values corrected after Holm (1979); NaN stays NaN and does not count as a test.

    Not statsmodels' multipletests, which collects garbage at each of the many calls.
    """
    values = np.array(p_values, dtype=np.float64)
    order = np.argsort(values)[: np.isfinite(values).sum()]  # NaN sorts last
    stepped = values[order] * np.arange(len(order), 0, -1)
    values[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return values


@lru_cache
def detectable_effect(count: int, alpha: float, overlap: float = 0.0) -> float:
    """Return the smallest mean difference, in sd of the differences, that is found at 80 % power.

    Of the two-sided test of so many seeds, or of splits with an overlap; NaN where there are too few for a test.
    """
    if count < (MIN_SPLITS if overlap else 2):
        return math.nan
    effect = TTestPower().solve_power(nobs=count, alpha=alpha, power=POWER, alternative="two-sided")
    return float(effect) * stretch(count, overlap)


@lru_cache
def expanded_confidence(count: int, confidence: float) -> float:
    """Return the level at which a percentile bootstrap interval of so few values covers as it should.

    Expanded percentile interval (Hesterberg 2015, The American Statistician 69(4), section 5.3): the level at
    which the normal quantile equals the t quantile times √(n / (n − 1)).
    """
    quantile = stats.t.ppf((1 + confidence) / 2, count - 1) * math.sqrt(count / (count - 1))
    return float(1 - 2 * stats.norm.sf(quantile))


def bootstrap_interval(values: FloatArray, settings: ReportSettings, overlap: float = 0.0) -> tuple[float, float]:
    """Return the expanded percentile bootstrap interval of the mean; NaN below six seeds or five splits."""
    if len(values) < (BOOTSTRAP_SPLITS if overlap else BOOTSTRAP_SEEDS) or np.ptp(values) <= 1e-12:
        return math.nan, math.nan
    result = stats.bootstrap(
        (stretched(values, overlap),),
        np.mean,
        vectorized=True,
        n_resamples=settings.resamples,
        confidence_level=expanded_confidence(len(values), settings.confidence),
        method="percentile",
        rng=np.random.default_rng(0),  # the same report each time
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


@dataclass(frozen=True)
class PairedResult:
    """One strategy against the baseline.

    Attributes:
        strategy: its name.
        pairs: splits and seeds that were paired.
        units: the n seeds or splits that were tested.
        mean: mean of Δ = AULC(strategy) − AULC(baseline).
        sd: standard deviation of Δ over seeds or, of the means over their seeds, over splits.
        low: lower end of the t interval of the mean, which decides.
        high: upper end.
        bootstrap_low: lower end of the bootstrap interval, shown beside it.
        bootstrap_high: upper end.
        p_t: two-sided paired t-test.
        p_t_holm: the same, Holm-corrected over the strategies; RQ1 is decided by it.
        p_wilcoxon: two-sided Wilcoxon signed-rank test; NaN for splits, of which there is no corrected one.
        p_wilcoxon_holm: the same, Holm-corrected.
        p_inferior: one-sided t-test of «worse by δ or more».
        p_inferior_holm: the same, Holm-corrected; RQ2 is decided by it.
        detectable: smallest |mean Δ| that as many find at 80 % power, given the observed sd.
        superiority: the answer to RQ1.
        noninferiority: the answer to RQ2.
    """

    strategy: str
    pairs: tuple[Repeat, ...]
    units: Units
    mean: float
    sd: float
    low: float
    high: float
    bootstrap_low: float
    bootstrap_high: float
    p_t: float
    p_t_holm: float
    p_wilcoxon: float
    p_wilcoxon_holm: float
    p_inferior: float
    p_inferior_holm: float
    detectable: float
    superiority: Superiority
    noninferiority: NonInferiority

    @property
    def tested(self) -> bool:
        """Whether there was anything to test."""
        return self.superiority != "untested"


def compare_with_baseline(
    differences: Mapping[str, FloatArray], settings: ReportSettings, overlap: float = 0.0
) -> dict[str, Decision]:
    """Decide RQ1 and RQ2 for each strategy.

    Args:
        differences: strategy → Δ of each seed or split (n); the family over which Holm corrects.
        settings: margin and confidence.
        overlap: of the splits, see ``paired_t``.
    """
    tests = {
        name: paired_t(values, settings.margin, settings.confidence, overlap)
        for name, values in differences.items()
    }
    return decide(tests, settings)


def decide(tests: Mapping[str, PairedT], settings: ReportSettings) -> dict[str, Decision]:
    """Decide RQ1 and RQ2 for each strategy of a family, over which Holm corrects, by their tests (scalars)."""
    superior = holm([float(test.p) for test in tests.values()])
    inferior = holm([float(test.p_inferior) for test in tests.values()])
    return {
        name: Decision(
            test,
            float(p),
            float(p_inferior),
            _superiority(float(p), float(test.mean), settings.alpha),
            # one-sided at half the rate, so that it agrees with the two-sided interval
            _noninferiority(float(p_inferior), settings.alpha / 2),
        )
        for (name, test), p, p_inferior in zip(tests.items(), superior, inferior, strict=True)
    }


@dataclass(frozen=True)
class Decision:
    """What the tests of one strategy decide: see ``PairedResult``."""

    test: PairedT
    p_holm: float
    p_inferior_holm: float
    superiority: Superiority
    noninferiority: NonInferiority


def _superiority(p: float, mean: float, alpha: float) -> Superiority:
    if math.isnan(p):
        return "untested"
    if p >= alpha:
        return "undecided"
    return "surpasses" if mean > 0 else "falls below"


def _noninferiority(p: float, alpha: float) -> NonInferiority:
    if math.isnan(p):
        return "untested"
    return "not worse" if p < alpha else "not shown"


def paired_results(
    differences: Mapping[str, tuple[Sequence[Repeat], Units, FloatArray]], settings: ReportSettings
) -> list[PairedResult]:
    """Compare each strategy with the baseline.

    Args:
        differences: strategy → splits and seeds of its pairs, their units, and Δ of each pair (R).
        settings: margin, confidence, resamples.
    """
    given = {name: of for name, of in differences.items() if of[0]}
    values = {name: units.means(deltas) for name, (_, units, deltas) in given.items()}
    overlap = max((units.overlap for _, units, _ in given.values()), default=0.0)
    decisions = compare_with_baseline(values, settings, overlap)
    wilcoxon = {name: math.nan if overlap else _wilcoxon(deltas) for name, deltas in values.items()}
    corrected = dict(zip(wilcoxon, holm(list(wilcoxon.values())), strict=True))
    results = []
    for name, deltas in values.items():
        decision = decisions[name]
        sd = float(deltas.std(ddof=1)) if len(deltas) > 1 else math.nan
        bootstrap = bootstrap_interval(deltas, settings, overlap)
        results.append(
            PairedResult(
                strategy=name,
                pairs=tuple(given[name][0]),
                units=given[name][1],
                mean=float(decision.test.mean),
                sd=sd,
                low=float(decision.test.low),
                high=float(decision.test.high),
                bootstrap_low=bootstrap[0],
                bootstrap_high=bootstrap[1],
                p_t=float(decision.test.p),
                p_t_holm=decision.p_holm,
                p_wilcoxon=wilcoxon[name],
                p_wilcoxon_holm=float(corrected[name]),
                p_inferior=float(decision.test.p_inferior),
                p_inferior_holm=decision.p_inferior_holm,
                detectable=detectable_effect(len(deltas), settings.alpha, overlap) * sd,
                superiority=decision.superiority,
                noninferiority=decision.noninferiority,
            )
        )
    return results


def _wilcoxon(deltas: FloatArray) -> float:
    if len(deltas) < 2 or np.ptp(deltas) <= 1e-12:
        return math.nan
    return float(stats.wilcoxon(deltas).pvalue)
