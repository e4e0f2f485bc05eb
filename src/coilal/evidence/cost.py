"""What it costs to reach a target, and from which price of a label on active learning pays (EVALUATION, RQ3).

C = κ·n·c_label + R·(t_train + t_query)·c_compute + R·c_idle + c_setup

Times are those measured in the runs: training of every cycle up to the target and querying between them.
Evaluation on the test split belongs to the study, not to its use, and is not charged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from coilal.common.types import BoolArray, FloatArray, IntArray
from coilal.evidence.comparison import Pairs, stack
from coilal.evidence.crossing import first_crossing, interval
from coilal.evidence.reading import Run
from coilal.evidence.report_settings import SECONDS_AN_HOUR, Prices, ReportSettings
from coilal.evidence.units import Units

Training = Literal["every cycle", "once"]
TRAININGS: tuple[Training, ...] = ("every cycle", "once")
QUERY_TIMES = ("infer_s", "select_s")
ONE_OFF_TIMES = ("decode_s", "extract_s")


@dataclass(frozen=True)
class Demand:
    """What reaching the target takes, an entry for the mean curve and for each resample (1 + B).

    Attributes:
        labels: images labelled; the largest labelled count where the target is never reached.
        censored: whether it is never reached; then all amounts are lower bounds.
        overhead: money for all but the labels.
    """

    labels: FloatArray
    censored: BoolArray
    overhead: FloatArray


@dataclass(frozen=True)
class Estimate:
    """An amount with its interval, in money.

    Attributes:
        value: the amount; infinite for a break-even price means that active learning never pays.
        low: lower end of the interval; NaN below six seeds or five splits.
        high: upper end, infinite where it is open.
        censored: the amount is a bound only: a cost is higher, a break-even price lower.
    """

    value: float
    low: float
    high: float
    censored: bool


@dataclass(frozen=True)
class Cost:
    """Cost of one strategy and of the baseline, for one target and one way to charge the baseline.

    Attributes:
        target: value of the metric.
        training: how often the baseline is trained: once, on all its labels, or in every cycle.
        price: price of a label.
        labels: labels of the strategy, κ-fold, with those of the validation split where they are paid.
        baseline_labels: labels of the baseline.
        strategy: cost with the strategy.
        baseline: cost with the baseline.
        overhead: the strategy's cost without labels.
        baseline_overhead: the baseline's.
        break_even: active learning pays when a label costs more.
        reached: whether the strategy reaches the target.
        pairs: number of pairs of runs.
    """

    target: float
    training: Training
    price: float
    labels: float
    baseline_labels: float
    strategy: Estimate
    baseline: Estimate
    overhead: float
    baseline_overhead: float
    break_even: Estimate
    reached: bool
    pairs: int


def costs(
    pairs: Pairs, column: str, target: float, features_s: float, settings: ReportSettings, prices: Sequence[float]
) -> list[Cost]:
    """Return the cost for each way of training the baseline and each price of a label.

    Args:
        pairs: runs of the strategy (first) and the baseline (second).
        column: column of cycles.csv with the metric.
        target: value of the metric to be reached.
        features_s: seconds of decoding and extraction for the whole data set, see ``feature_seconds``.
        settings: prices, resamples, confidence.
        prices: prices of a label, in money.
    """
    weights = pairs.units.weights(settings.resamples)
    run = pairs.first[0]
    images, validation = run.status["data"]["images"], run.status["data"]["split"]["validation"]
    free = validation if settings.prices.validation_labels else 0  # labels bought beside the queried ones
    per_image = features_s / images
    own, other = _measured(pairs.first, column, weights), _measured(pairs.second, column, weights)
    active = _demand(own, target, "every cycle", settings.prices)
    # active learning looks at the whole pool, random sampling only at what is labelled
    pool_features = per_image * run.pool_size * settings.prices.compute_hour / SECONDS_AN_HOUR
    active = _adding(active, settings.prices.setup + pool_features)
    found = []
    for training in TRAININGS:
        baseline = _demand(other, target, training, settings.prices)
        baseline = _adding(baseline, per_image * baseline.labels * settings.prices.compute_hour / SECONDS_AN_HOUR)
        found += [_cost(active, baseline, target, training, price, free, pairs.units, settings) for price in prices]
    return found


def feature_seconds(runs: Sequence[Run]) -> float:
    """Return the seconds of decoding and extraction, as the run measured them that filled the cache."""
    totals = [sum(run.cycles[name].sum() for name in ONE_OFF_TIMES if name in run.cycles) for run in runs]
    return float(max(totals))


def break_even(active: Demand, baseline: Demand, kappa: float) -> tuple[FloatArray, FloatArray]:
    """Return the least and the most that the break-even price of a label can be (1 + B).

    (overhead − baseline overhead) / (baseline labels − κ·labels), 0 where active learning costs less at any
    price, infinite (never pays) where the denominator is 0 or less or the target is not reached.
    """
    more = active.overhead - baseline.overhead
    fewer = baseline.labels - kappa * active.labels
    with np.errstate(divide="ignore", invalid="ignore"):
        price = np.where(fewer > 0, np.maximum(more / fewer, 0.0), np.inf)
    # a baseline that never gets there needs more labels than are counted, so the price can only be lower
    least = np.where(baseline.censored, 0.0, np.where(active.censored, np.inf, price))
    most = np.where(active.censored, np.inf, price)
    return least, most


@dataclass(frozen=True)
class _Measured:
    """Mean curve and seconds of each cycle, and those of each resample.

    Attributes:
        labelled: labelled counts (T).
        curves: the metric (1 + B, T).
        fit: seconds of training (1 + B, T).
        query: seconds of scoring the pool and selecting (1 + B, T).
    """

    labelled: IntArray
    curves: FloatArray
    fit: FloatArray
    query: FloatArray


def _measured(runs: Sequence[Run], column: str, weights: FloatArray) -> _Measured:
    query = np.stack([np.sum([run.values(name) for name in QUERY_TIMES], axis=0) for run in runs])
    return _Measured(
        runs[0].labelled, weights @ stack(runs, column), weights @ stack(runs, "fit_s"), weights @ query
    )


def _demand(measured: _Measured, target: float, training: Training, prices: Prices) -> Demand:
    most = len(measured.labelled) - 1
    crossing = first_crossing(measured.labelled, measured.curves, target)
    censored = crossing.cycle < 0
    cycle: IntArray = np.where(censored, most, crossing.cycle)
    rows = np.arange(len(cycle))
    seconds: FloatArray = measured.fit[rows, cycle]
    rounds: FloatArray = np.ones(len(cycle))
    if training == "every cycle":
        before = (
            measured.query.cumsum(axis=1) - measured.query
        )  # what is queried after the last training serves no one
        seconds = measured.fit.cumsum(axis=1)[rows, cycle] + before[rows, cycle]
        rounds = np.asarray(cycle + 1, dtype=np.float64)
    machine = seconds / SECONDS_AN_HOUR + prices.search_hours
    overhead = machine * prices.compute_hour + rounds * prices.idle
    return Demand(np.minimum(crossing.labels, float(measured.labelled[-1])), censored, overhead)


def _adding(demand: Demand, money: float | FloatArray) -> Demand:
    return Demand(demand.labels, demand.censored, demand.overhead + money)


def _cost(
    active: Demand,
    baseline: Demand,
    target: float,
    training: Training,
    price: float,
    free: int,
    units: Units,
    settings: ReportSettings,
) -> Cost:
    kappa = settings.prices.kappa

    def total(demand: Demand, factor: float) -> Estimate:
        money = (factor * demand.labels + free) * price + demand.overhead
        ends = interval(money[1:], np.where(demand.censored, np.inf, money)[1:], units, settings.confidence)
        return Estimate(float(money[0]), *ends, censored=bool(demand.censored[0]))

    least, most = break_even(active, baseline, kappa)
    ends = interval(least[1:], most[1:], units, settings.confidence)
    return Cost(
        target=target,
        training=training,
        price=price,
        labels=float(kappa * active.labels[0] + free),
        baseline_labels=float(baseline.labels[0] + free),
        strategy=total(active, kappa),
        baseline=total(baseline, 1.0),
        overhead=float(active.overhead[0]),
        baseline_overhead=float(baseline.overhead[0]),
        break_even=Estimate(float(most[0]), *ends, censored=bool(baseline.censored[0])),
        reached=not bool(active.censored[0]),
        pairs=units.runs,
    )
