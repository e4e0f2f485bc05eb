"""Curves of a comparison, as figures of the report and of the notebooks draw them."""

from __future__ import annotations

import numpy as np

from coilal.common.types import FloatArray
from coilal.evidence import words
from coilal.evidence.analysis import mean_interval
from coilal.evidence.comparison import Comparison, stack
from coilal.evidence.plots import Curve
from coilal.evidence.report_settings import ReportSettings


def mean_curves(comparison: Comparison, settings: ReportSettings) -> dict[str, Curve]:
    """Return the mean learning curve of each strategy with its interval; the legend gives the AULC."""
    curves = {}
    for strategy, runs in comparison.runs.items():
        area = np.mean([run.aulc(settings.column) for run in runs.values()])
        label = f"{strategy} ({words.seeds_text(len(runs))}, AULC {area:.3f})"
        curves[strategy] = _banded(comparison, comparison.curves(strategy, settings.column), label, settings)
    for name, runs in comparison.bounds.items():
        label = f"{name}, an upper bound ({words.seeds_text(len(runs))})"
        curves[name] = plain_curve(comparison, stack(runs.values(), settings.column), label)
    return curves


def difference_curves(comparison: Comparison, settings: ReportSettings) -> dict[str, Curve]:
    """Return the mean paired difference of each active strategy to the baseline, with its interval."""
    curves = {}
    for strategy in comparison.active:
        pairs = comparison.pairs(strategy, comparison.baseline)
        if pairs.seeds:
            label = f"{strategy} ({words.seeds_text(len(pairs.seeds))})"
            curves[strategy] = _banded(comparison, pairs.differences(settings.column), label, settings)
    return curves


def plain_curve(comparison: Comparison, values: FloatArray, label: str) -> Curve:
    """Return the mean of curves (S, T) without a band."""
    mean, _, _ = mean_interval(values, 0.5)
    nothing = np.full(len(mean), np.nan)
    return Curve(comparison.labelled, mean, nothing, nothing, label)


def band(comparison: Comparison, settings: ReportSettings) -> str:
    """Return what the band of a curve is."""
    most = max(len(runs) for runs in comparison.runs.values())
    return f"mean; band: {settings.confidence:.0%} interval of\nthe mean over seeds" if most > 1 else "one seed"


def whole_pool(comparison: Comparison, column: str) -> tuple[float, str] | None:
    """Return what runs on the whole pool reach, and its name; None where there are none."""
    runs = comparison.full_pool
    if not runs:
        return None
    value = float(np.mean([run.values(column)[-1] for run in runs]))
    return value, f"whole pool ({runs[0].pool_size} labels,\n{words.seeds_text(len(runs))}): {value:.3f}"


def _banded(comparison: Comparison, values: FloatArray, label: str, settings: ReportSettings) -> Curve:
    return Curve(comparison.labelled, *mean_interval(values, settings.confidence), label)
