"""How many labels are worth buying: what they cost beside what the line's wrong decisions cost.

After each cycle a study knows what share of the faulty parts passes, and of the fault-free ones is rejected, at the
operating point (``evidence.line``). With the price of both a learning curve becomes a curve of money, and the
number of labels at its lowest point is what is worth buying.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from coilal.common.types import FloatArray
from coilal.evidence import words
from coilal.evidence.comparison import Comparison, stack
from coilal.evidence.crossing import interval
from coilal.evidence.line import Level, overkill
from coilal.evidence.reading import Run
from coilal.evidence.report_settings import SECONDS_AN_HOUR, ReportSettings

SPENT = ("fit_s", "infer_s", "select_s")
"""Seconds of a cycle that a machine is paid for."""
PARTS = {"group": "parts (groups)", "point": "images"}


@dataclass(frozen=True)
class Worth:
    """What is worth buying with a strategy.

    Attributes:
        strategy: its name.
        labels: labelled images at which the mean curve of money is lowest.
        low: lower end of their interval; NaN with too few seeds or splits for one.
        high: upper end; infinite where it is the last cycle of a resample.
        money: what labels, machine and wrong decisions cost there.
        of_labels: the labels' part of it.
        at_start: what they cost with the starting set alone.
        saved: the lowest money of the baseline minus that of the strategy; NaN for the baseline.
        saved_low: lower end of its interval.
        saved_high: upper end.
        is_last: whether the lowest point is the last cycle, so that more labels may be worth buying.
    """

    strategy: str
    labels: int
    low: float
    high: float
    money: float
    of_labels: float
    at_start: float
    saved: float
    saved_low: float
    saved_high: float
    is_last: bool


def level_of(comparison: Comparison) -> Level | None:
    """Return what is decided on: groups, images where each is a group of its own, None where nothing is known."""
    levels: tuple[Level, Level] = ("group", "point")
    columns = ("faulty", "good", "escape_rate", "overkill_rate")
    for level in levels:
        names = [f"test/{level}/{column}" for column in columns]
        if all(_known(run, names) for run in _runs(comparison)) and _allows_one(comparison, level):
            return level
    return None


def _known(run: Run, columns: Sequence[str]) -> bool:
    return all(column in run.cycles and np.isfinite(run.values(column)).all() for column in columns)


def _allows_one(comparison: Comparison, level: Level) -> bool:
    """Return whether all runs allow one fault-free validation image (group) at least to be rejected."""
    return all(overkill(run) / 100 * run.values(f"val/{level}/good")[-1] >= 1 for run in _runs(comparison))


def missing(comparison: Comparison, settings: ReportSettings) -> str:
    """Return why nothing can be said, with what helps, in a sentence; "" where it can."""
    prices = settings.prices
    if not (prices.escape or prices.overkill):
        return (
            "What a wrong decision costs is not set, so that it cannot be said how many labels are worth buying: "
            "python -m coilal.report study=… prices.escape=50 prices.overkill=2 does, with your prices."
        )
    if level_of(comparison) is None:
        return (
            "Escapes and overkill at the operating point are not known of every run and cycle, or no fault-free "
            "validation image may be rejected, so that nothing is said of what labels are worth."
        )
    return ""


def worth(comparison: Comparison, settings: ReportSettings) -> list[Worth]:
    """Return what is worth buying with each strategy, the baseline first."""
    return [worth_of(comparison, strategy, settings) for strategy in comparison.runs]


def worth_of(comparison: Comparison, strategy: str, settings: ReportSettings) -> Worth:
    """Return what is worth buying with a strategy.

    Intervals resample seeds or, of several splits, whole splits; a strategy and the baseline in pairs.

    Args:
        comparison: the runs.
        strategy: one of its strategies.
        settings: prices, resamples and confidence.
    """
    units = comparison.units(comparison.runs[strategy])
    curves = units.weights(settings.resamples) @ money(comparison, strategy, settings)
    best = curves.argmin(axis=1)
    labels = comparison.labelled[best].astype(np.float64)
    last = len(comparison.labelled) - 1
    ends = interval(labels[1:], np.where(best[1:] == last, np.inf, labels[1:]), units, settings.confidence)
    return Worth(
        strategy,
        int(labels[0]),
        *ends,
        float(curves[0].min()),
        float(label_money(comparison, strategy, settings)[best[0]]),
        float(curves[0][0]),
        *_saved(comparison, strategy, settings),
        bool(best[0] == last),
    )


def money(comparison: Comparison, strategy: str, settings: ReportSettings) -> FloatArray:
    """Return what labels, machine and wrong decisions cost after each cycle (R, T), for the runs of a strategy."""
    level, prices = level_of(comparison), settings.prices
    runs = list(comparison.runs[strategy].values())
    faulty, good, escapes, rejects = (
        stack(runs, f"test/{level}/{name}") for name in ("faulty", "good", "escape_rate", "overkill_rate")
    )
    share = faulty / (faulty + good) if prices.faulty is None else np.full(faulty.shape, prices.faulty)
    wrong = prices.parts * (share * escapes * prices.escape + (1 - share) * rejects * prices.overkill)
    seconds = np.stack([run.cycles[list(SPENT)].sum(axis=1).cumsum().to_numpy(np.float64) for run in runs])
    machine = seconds / SECONDS_AN_HOUR * prices.compute_hour + np.arange(seconds.shape[1]) * prices.idle
    return wrong + machine + label_money(comparison, strategy, settings)


def label_money(comparison: Comparison, strategy: str, settings: ReportSettings) -> FloatArray:
    """Return what the labels cost after each cycle (T); queried ones take κ times as long as random ones."""
    kappa = 1.0 if strategy == comparison.baseline else settings.prices.kappa
    price = kappa * settings.prices.label
    return np.asarray(comparison.labelled * price, dtype=np.float64)


def _saved(comparison: Comparison, strategy: str, settings: ReportSettings) -> tuple[float, float, float]:
    """Return what the strategy saves against the baseline, each at its own lowest point, with the interval."""
    if strategy == comparison.baseline or not comparison.has_baseline:
        return math.nan, math.nan, math.nan
    pairs = comparison.pairs(strategy, comparison.baseline)
    both = [_of_repeats(comparison, name, pairs.repeats, settings) for name in (comparison.baseline, strategy)]
    if not pairs.repeats:
        return math.nan, math.nan, math.nan
    weights = pairs.units.weights(settings.resamples)
    saved = (weights @ both[0]).min(axis=1) - (weights @ both[1]).min(axis=1)
    return float(saved[0]), *interval(saved[1:], saved[1:], pairs.units, settings.confidence)


def _of_repeats(
    comparison: Comparison, strategy: str, repeats: Sequence[object], settings: ReportSettings
) -> FloatArray:
    rows = dict(zip(comparison.runs[strategy], money(comparison, strategy, settings), strict=True))
    return np.array([rows[repeat] for repeat in repeats])  # type: ignore[index]


def _runs(comparison: Comparison) -> list[Run]:
    return [run for runs in comparison.runs.values() for run in runs.values()]


def worth_text(found: Worth, who: str) -> str:
    """Return «margin: 112 [88, 136] labels are worth buying», of who as it is to be called."""
    ends = "" if math.isnan(found.low) else f" [{found.low:.0f}, {_most(found.high)}]"
    if found.is_last:
        return f"{who} all {found.labels}{ends} labels were worth buying, and more may be"
    return f"{who} {found.labels}{ends} labels are worth buying"


def sentence(found: Worth, settings: ReportSettings) -> str:
    """Return «margin: 112 labels [88, 136] are worth buying: 1240 EUR, 14 of them for labels, …»."""
    currency = settings.prices.currency
    start = worth_text(found, f"{found.strategy}:")
    text = (
        f"{start}. Labels, machine and wrong decisions come to {words.money(found.money)} {currency} then "
        f"({words.money(found.of_labels)} for labels), and to {words.money(found.at_start)} with the starting set."
    )
    if math.isnan(found.saved):
        return text
    known = (
        "" if math.isnan(found.saved_low) else f" {words.interval(found.saved_low, found.saved_high, words.money)}"
    )
    return f"{text} Against the baseline at its best that saves {words.money(found.saved)}{known}."


def assumptions(comparison: Comparison, settings: ReportSettings) -> str:
    """Return in a sentence what the money rests on."""
    prices, level = settings.prices, level_of(comparison)
    assert level is not None
    share = "as many of them faulty as in the test split"
    if prices.faulty is not None:
        share = f"{prices.faulty:.1%} of them faulty"
    return (
        f"Assumed: {prices.parts} {PARTS[level]} to decide on, {share}; {words.money(prices.escape)} "
        f"{prices.currency} for each faulty one that passes, {words.money(prices.overkill)} for each fault-free "
        f"one that is rejected, {words.money(prices.label)} for a label. Rates are those at the operating point."
    )


def _most(value: float) -> str:
    return "the last" if math.isinf(value) else f"{value:.0f}"


def shown(found: Sequence[Worth], settings: ReportSettings) -> pd.DataFrame:
    """Return the same as a table for the page, a row a strategy."""
    return pd.DataFrame(
        {
            "strategy": [each.strategy for each in found],
            "labels worth buying": [
                ("≥ " if each.is_last else "")
                + f"{each.labels}"
                + ("" if math.isnan(each.low) else f" [{each.low:.0f}, {_most(each.high)}]")
                for each in found
            ],
            f"cost in {settings.prices.currency}": [words.money(each.money) for each in found],
            "for labels": [words.money(each.of_labels) for each in found],
            "with the starting set": [words.money(each.at_start) for each in found],
            "saved against the baseline": [
                words.money(each.saved)
                + (
                    ""
                    if math.isnan(each.saved_low)
                    else f" {words.interval(each.saved_low, each.saved_high, words.money)}"
                )
                for each in found
            ],
        }
    )
