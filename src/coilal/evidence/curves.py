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
        units = comparison.units(runs)
        area = units.means(np.array([run.aulc(settings.column) for run in runs.values()])).mean()
        label = f"{strategy} ({words.units_text(units)}, AULC {area:.3f})"
        curves[strategy] = _banded(comparison, comparison.unit_curves(strategy, settings.column), label, settings)
    for name, runs in comparison.bounds.items():
        units = comparison.units(runs)
        label = f"{name}, told labels in advance ({words.units_text(units)})"
        curves[name] = plain_curve(comparison, units.means(stack(runs.values(), settings.column)), label)
    return curves


def difference_curves(comparison: Comparison, settings: ReportSettings) -> dict[str, Curve]:
    """Return the mean paired difference of each active strategy to the baseline, with its interval."""
    curves = {}
    for strategy in comparison.active:
        pairs = comparison.pairs(strategy, comparison.baseline)
        if pairs.repeats:
            label = f"{strategy} ({words.units_text(pairs.units)})"
            curves[strategy] = _banded(comparison, pairs.differences(settings.column), label, settings)
    return curves


def plain_curve(comparison: Comparison, values: FloatArray, label: str) -> Curve:
    """Return the mean of curves (U, T) without a band."""
    mean, _, _ = mean_interval(values, 0.5)
    nothing = np.full(len(mean), np.nan)
    return Curve(comparison.labelled, mean, nothing, nothing, label)


def band(comparison: Comparison, settings: ReportSettings) -> str:
    """Return what the band of a curve is."""
    if len(comparison.repeats) == 1:
        return "one seed"
    if len(comparison.splits) < 2:
        return f"mean; band: {words.level(settings.confidence)} interval of\nthe mean over seeds"
    mean = "mean over splits, each the mean of its seeds"
    if not any(comparison.units(runs).testable for runs in comparison.runs.values()):
        return f"{mean}\n(two splits: no band)"
    return f"{mean};\nband: {words.level(settings.confidence)} interval, corrected for\nthe overlap of the splits"


def whole_pool(comparison: Comparison, column: str) -> tuple[float, str] | None:
    """Return what runs on the whole pool reach, and its name; None where there are none."""
    runs = comparison.full_pool
    if not runs:
        return None
    units = comparison.units(run.repeat for run in runs)
    value = float(units.means(np.array([run.values(column)[-1] for run in runs])).mean())
    sizes = sorted({run.pool_size for run in runs})
    labels = " to ".join(str(size) for size in dict.fromkeys((sizes[0], sizes[-1])))
    return value, f"whole pool ({labels} labels,\n{words.units_text(units)}): {value:.3f}"


def _banded(comparison: Comparison, values: FloatArray, label: str, settings: ReportSettings) -> Curve:
    return Curve(comparison.labelled, *mean_interval(values, settings.confidence, comparison.overlap), label)
