"""All numbers of one comparison (study, task, model), computed once for words, tables and figures."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from coilal.common.types import FloatArray
from coilal.evidence.comparison import Comparison
from coilal.evidence.cost import Cost, costs, feature_seconds
from coilal.evidence.paired import PairedResult, paired_results
from coilal.evidence.penalty import penalty_matrix
from coilal.evidence.reading import Run
from coilal.evidence.report_settings import ReportSettings
from coilal.evidence.savings import Saving, label_saving, targets_for
from coilal.evidence.spread import Spread, spread
from coilal.evidence.units import MIN_SPLITS, Repeat

PHASE = re.compile(r"[a-z]+_s")
MEMORY = {"peak_memory_mb": "main memory", "device_peak_memory_mb": "device memory"}


@dataclass(frozen=True)
class Analysis:
    """The numbers of one comparison.

    Attributes:
        comparison: the runs.
        settings: how they are compared.
        results: AULC against the baseline, a result a strategy; empty without a baseline.
        spread: strategy → where the spread of its Δ comes from; empty with one split or one seed a split.
        penalty: penalty matrix, None with fewer than two strategies, two seeds or three splits.
        targets: metric values at which labels and costs are compared.
        savings: strategy → saving at each target.
        costs: strategy → costs at each target, way of training the baseline, and price.
    """

    comparison: Comparison
    settings: ReportSettings
    results: list[PairedResult]
    spread: Mapping[str, Spread]
    penalty: pd.DataFrame | None
    targets: tuple[float, ...]
    savings: Mapping[str, list[Saving]]
    costs: Mapping[str, list[Cost]]

    @property
    def tested(self) -> bool:
        """Whether any strategy shares enough seeds or splits with the baseline for there to be a test."""
        return any(result.units.testable for result in self.results)

    @property
    def middle(self) -> int | None:
        """Return the position of the target that the answer speaks of; None where there is no target."""
        return len(self.targets) // 2 if self.targets and self.savings else None


def analyse(comparison: Comparison, settings: ReportSettings) -> Analysis:
    """Compute all numbers of a comparison."""
    column = settings.column
    if not comparison.has_baseline:
        return Analysis(comparison, settings, [], {}, _penalty(comparison, column), (), {}, {})
    pairs = {name: comparison.pairs(name, comparison.baseline) for name in comparison.active}
    pairs = {name: found for name, found in pairs.items() if found.repeats}
    differences = {
        name: (found.repeats, found.units, found.aulc_differences(column)) for name, found in pairs.items()
    }
    sources = {name: spread(units, deltas) for name, (_, units, deltas) in differences.items()}
    targets = targets_for(comparison.unit_curves(comparison.baseline, column), settings)
    runs = [run for by_seed in comparison.runs.values() for run in by_seed.values()]
    features = feature_seconds(runs)
    prices = sorted({settings.prices.label, *settings.prices.what_if})
    savings, spent = {}, {}
    for name, found in pairs.items():
        own, other = found.curves(column)
        savings[name] = [
            label_saving(comparison.labelled, own, other, target, found.units, settings) for target in targets
        ]
        spent[name] = [
            cost for target in targets for cost in costs(found, column, target, features, settings, prices)
        ]
    return Analysis(
        comparison,
        settings,
        paired_results(differences, settings),
        {name: source for name, source in sources.items() if source},
        _penalty(comparison, column),
        targets,
        savings,
        spent,
    )


def _penalty(comparison: Comparison, column: str) -> pd.DataFrame | None:
    enough = any(comparison.units(runs).testable for runs in comparison.runs.values())
    if len(comparison.runs) < 2 or not enough or len(comparison.labelled) < 2:
        return None
    return penalty_matrix(
        comparison.strategies,
        lambda one, other: comparison.pairs(one, other).differences(column),
        comparison.overlap,
    )


def mean_interval(
    values: FloatArray, confidence: float, overlap: float = 0.0
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the mean over seeds or splits (U, T) and the ends of its t interval (T).

    The ends are NaN with one seed, or two splits. Where all have the same value the interval is that value. NaN
    values (a metric without a denominator) are left out of the mean of their cycle.

    Args:
        values: of each seed, or of each split the mean over its seeds.
        confidence: level of the interval.
        overlap: of the splits, whose interval is corrected; see ``paired_t``.
    """
    count = np.isfinite(values).sum(axis=0)
    table = pd.DataFrame(values)
    mean, sd = table.mean().to_numpy(), table.std(ddof=1).to_numpy()
    error = sd * np.sqrt(1 / np.maximum(count, 1) + overlap)
    half = stats.t.ppf((1 + confidence) / 2, np.maximum(count - 1, 1)) * error
    half = np.where(count >= MIN_SPLITS, half, np.nan) if overlap else half
    return mean, mean - half, mean + half


def aulc_table(comparison: Comparison, column: str, confidence: float) -> pd.DataFrame:
    """Return the AULC of each strategy over its seeds or splits: mean, sd, interval, last value of the curve."""
    rows = []
    for strategy, runs in comparison.runs.items():
        units = comparison.units(runs)
        values = units.means(np.array([[run.aulc(column)] for run in runs.values()]))
        mean, low, high = mean_interval(values, confidence, comparison.overlap)
        rows.append(
            {
                "strategy": strategy,
                **_counts(comparison, runs),
                "aulc": mean[0],
                "sd": values.std(ddof=1) if len(values) > 1 else np.nan,
                "low": low[0],
                "high": high[0],
                "last": comparison.unit_curves(strategy, column)[:, -1].mean(),
            }
        )
    return pd.DataFrame(rows)


def curve_table(comparison: Comparison, column: str, confidence: float) -> pd.DataFrame:
    """Return mean and interval of each strategy's curve in each cycle, long format."""
    tables = []
    for strategy, runs in comparison.runs.items():
        values = comparison.unit_curves(strategy, column)
        mean, low, high = mean_interval(values, confidence, comparison.overlap)
        columns = {"labelled": comparison.labelled, "mean": mean, "low": low, "high": high}
        tables.append(pd.DataFrame({"strategy": strategy, **_counts(comparison, runs), **columns}))
    return pd.concat(tables, ignore_index=True)


def difference_table(comparison: Comparison, column: str, confidence: float) -> pd.DataFrame:
    """Return mean and interval of the paired difference to the baseline in each cycle, long format."""
    tables = []
    for strategy in comparison.active:
        pairs = comparison.pairs(strategy, comparison.baseline)
        if pairs.repeats:
            mean, low, high = mean_interval(pairs.differences(column), confidence, comparison.overlap)
            columns = {"labelled": comparison.labelled, "mean": mean, "low": low, "high": high}
            tables.append(pd.DataFrame({"strategy": strategy, **_counts(comparison, pairs.repeats), **columns}))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _counts(comparison: Comparison, repeats: Collection[Repeat]) -> dict[str, int]:
    """Return how many seeds there are or, in a comparison of several splits, how many splits and runs."""
    if len(comparison.splits) < 2:
        return {"seeds": len(repeats)}
    return {"splits": comparison.units(repeats).count, "runs": len(repeats)}


def phase_seconds(comparison: Comparison) -> pd.DataFrame:
    """Return the seconds of each phase over a whole run, mean over runs (strategies × phases)."""
    rows = {}
    for strategy, runs in comparison.runs.items():
        totals = [
            {name.removesuffix("_s"): float(np.nansum(run.values(name))) for name in _phases(run)}
            for run in runs.values()
        ]
        rows[strategy] = pd.DataFrame(totals).mean()
    table = pd.DataFrame(rows).T
    return table.loc[:, (table > 0).any()]


def _phases(run: Run) -> list[str]:
    return [name for name in map(str, run.cycles.columns) if PHASE.fullmatch(name)]


def peak_memory(comparison: Comparison) -> pd.DataFrame:
    """Return the peak memory in MB, mean over runs of the largest of each (strategies × kinds)."""
    rows = {}
    for strategy, runs in comparison.runs.items():
        peaks = [
            {kind: np.fmax.reduce(run.values(name)) for name, kind in MEMORY.items() if name in run.cycles}
            for run in runs.values()
        ]
        rows[strategy] = pd.DataFrame(peaks, columns=list(MEMORY.values())).mean()
    return pd.DataFrame(rows).T.dropna(axis=1, how="all")
