"""All numbers of one comparison (study, task, model), computed once for words, tables and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from coilal.common.types import FloatArray
from coilal.evidence.comparison import Comparison
from coilal.evidence.cost import Cost, costs, feature_seconds
from coilal.evidence.paired import PairedResult, paired_results
from coilal.evidence.penalty import penalty_matrix
from coilal.evidence.report_settings import ReportSettings
from coilal.evidence.savings import Saving, label_saving, targets_for

MEMORY = {"peak_memory_mb": "main memory", "device_peak_memory_mb": "device memory"}


@dataclass(frozen=True)
class Analysis:
    """The numbers of one comparison.

    Attributes:
        comparison: the runs.
        settings: how they are compared.
        results: AULC against the baseline, a result a strategy; empty without a baseline.
        penalty: penalty matrix, None with fewer than two strategies or seeds.
        targets: metric values at which labels and costs are compared.
        savings: strategy → saving at each target.
        costs: strategy → costs at each target, way of training the baseline, and price.
    """

    comparison: Comparison
    settings: ReportSettings
    results: list[PairedResult]
    penalty: pd.DataFrame | None
    targets: tuple[float, ...]
    savings: Mapping[str, list[Saving]]
    costs: Mapping[str, list[Cost]]

    @property
    def tested(self) -> bool:
        """Whether any strategy shares two seeds with the baseline, so that there is something to test."""
        return any(len(result.seeds) > 1 for result in self.results)

    @property
    def middle(self) -> int | None:
        """Return the position of the target that the answer speaks of; None where there is no target."""
        return len(self.targets) // 2 if self.targets and self.savings else None


def analyse(comparison: Comparison, settings: ReportSettings) -> Analysis:
    """Compute all numbers of a comparison."""
    column = settings.column
    if not comparison.has_baseline:
        return Analysis(comparison, settings, [], _penalty(comparison, column), (), {}, {})
    pairs = {name: comparison.pairs(name, comparison.baseline) for name in comparison.active}
    pairs = {name: found for name, found in pairs.items() if found.seeds}
    differences = {name: (found.seeds, found.aulc_differences(column)) for name, found in pairs.items()}
    targets = targets_for(comparison.curves(comparison.baseline, column), settings)
    runs = [run for by_seed in comparison.runs.values() for run in by_seed.values()]
    features = feature_seconds(runs)
    prices = sorted({settings.prices.label, *settings.prices.what_if})
    savings, spent = {}, {}
    for name, found in pairs.items():
        own, other = found.curves(column)
        savings[name] = [label_saving(comparison.labelled, own, other, target, settings) for target in targets]
        spent[name] = [
            cost for target in targets for cost in costs(found, column, target, features, settings, prices)
        ]
    return Analysis(
        comparison,
        settings,
        paired_results(differences, settings),
        _penalty(comparison, column),
        targets,
        savings,
        spent,
    )


def _penalty(comparison: Comparison, column: str) -> pd.DataFrame | None:
    most = max(len(runs) for runs in comparison.runs.values())
    if len(comparison.runs) < 2 or most < 2 or len(comparison.labelled) < 2:
        return None
    return penalty_matrix(
        comparison.strategies, lambda one, other: comparison.pairs(one, other).differences(column)
    )


def mean_interval(values: FloatArray, confidence: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the mean over runs (S, T) and the ends of its t interval (T); NaN ends with one run.

    Where all runs have the same value the interval is that value. NaN values (a metric without a denominator)
    are left out of the mean of their cycle.
    """
    count = np.isfinite(values).sum(axis=0)
    table = pd.DataFrame(values)
    mean, spread = table.mean().to_numpy(), table.std(ddof=1).to_numpy()
    half = stats.t.ppf((1 + confidence) / 2, np.maximum(count - 1, 1)) * spread / np.sqrt(np.maximum(count, 1))
    return mean, mean - half, mean + half


def aulc_table(comparison: Comparison, column: str, confidence: float) -> pd.DataFrame:
    """Return the AULC of each strategy over all its seeds: mean, sd, interval, last value of the curve."""
    rows = []
    for strategy, runs in comparison.runs.items():
        values = np.array([[run.aulc(column)] for run in runs.values()])
        mean, low, high = mean_interval(values, confidence)
        rows.append(
            {
                "strategy": strategy,
                "seeds": len(runs),
                "aulc": mean[0],
                "sd": values.std(ddof=1) if len(values) > 1 else np.nan,
                "low": low[0],
                "high": high[0],
                "last": comparison.curves(strategy, column)[:, -1].mean(),
            }
        )
    return pd.DataFrame(rows)


def curve_table(comparison: Comparison, column: str, confidence: float) -> pd.DataFrame:
    """Return mean and interval of each strategy's curve in each cycle, long format."""
    tables = []
    for strategy, runs in comparison.runs.items():
        mean, low, high = mean_interval(comparison.curves(strategy, column), confidence)
        columns = {"labelled": comparison.labelled, "mean": mean, "low": low, "high": high}
        tables.append(pd.DataFrame({"strategy": strategy, "seeds": len(runs), **columns}))
    return pd.concat(tables, ignore_index=True)


def difference_table(comparison: Comparison, column: str, confidence: float) -> pd.DataFrame:
    """Return mean and interval of the paired difference to the baseline in each cycle, long format."""
    tables = []
    for strategy in comparison.active:
        pairs = comparison.pairs(strategy, comparison.baseline)
        if pairs.seeds:
            mean, low, high = mean_interval(pairs.differences(column), confidence)
            columns = {"labelled": comparison.labelled, "mean": mean, "low": low, "high": high}
            tables.append(pd.DataFrame({"strategy": strategy, "seeds": len(pairs.seeds), **columns}))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def phase_seconds(comparison: Comparison) -> pd.DataFrame:
    """Return the seconds of each phase over a whole run, mean over seeds (strategies × phases)."""
    rows = {}
    for strategy, runs in comparison.runs.items():
        tables = [run.cycles.filter(regex=r"^[a-z]+_s$").sum() for run in runs.values()]
        rows[strategy] = pd.DataFrame(tables).mean().rename(lambda name: str(name).removesuffix("_s"))
    table = pd.DataFrame(rows).T
    return table.loc[:, (table > 0).any()]


def peak_memory(comparison: Comparison) -> pd.DataFrame:
    """Return the peak memory in MB, mean over seeds of the largest of each run (strategies × kinds)."""
    rows = {}
    for strategy, runs in comparison.runs.items():
        peaks = [run.cycles.reindex(columns=list(MEMORY)).max() for run in runs.values()]
        rows[strategy] = pd.DataFrame(peaks).mean().rename(MEMORY)
    return pd.DataFrame(rows).T.dropna(axis=1, how="all")
