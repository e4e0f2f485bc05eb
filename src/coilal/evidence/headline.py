"""The first screen of a comparison: three sentences, a picture and a table, for readers who decide."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from coilal.evidence import line, plots, words
from coilal.evidence.analysis import Analysis
from coilal.evidence.comparison import Comparison
from coilal.evidence.cost import Cost
from coilal.evidence.curves import mean_curves, whole_pool
from coilal.evidence.desk import Desk, Picture
from coilal.evidence.label_noise import wrong_share
from coilal.evidence.leading import leading
from coilal.evidence.paired import PairedResult
from coilal.evidence.report_settings import Prices
from coilal.evidence.savings import Saving
from coilal.evidence.shift import TOGETHER, drops
from coilal.evidence.worth import missing, worth_of, worth_text
from coilal.run_directory.learning_curve import readable

MOST_NAMED = 3
"""Strategies that the picture names, besides the baseline."""
ESCAPES, OVERKILL = "test/escape_rate", "test/overkill_rate"
NO_GOOD_CLASS = "the data name no fault-free class"


@dataclass(frozen=True)
class Headline:
    """What is seen of a comparison at first.

    Attributes:
        sentences: whether active learning is better, what escapes, and whether it pays.
        picture: learning curves.
        table: a row a strategy.
        row: of the table over several comparisons, name → text.
    """

    sentences: Sequence[str]
    picture: Picture
    table: pd.DataFrame
    row: dict[str, str]


def headline(desk: Desk) -> Headline:
    """Return the first screen of a comparison."""
    analysis = desk.analysis
    order = leading(desk.comparison, analysis.settings.column)
    best = _best(analysis, order)
    sentences = [
        f"{_better(analysis, best)}{_wrong_labels(analysis)}",
        f"{_escapes(analysis, best)}{_unseen(analysis, best)}",
        f"{_money(analysis, best)}{_worth_buying(analysis, best)}".strip(),
    ]
    table = _table(analysis, order)
    row = _row(table, best or desk.comparison.baseline)
    return Headline([each for each in sentences if each], _picture(desk, order), table, row)


def _best(analysis: Analysis, order: Sequence[str]) -> str | None:
    """Return the strategy that the sentences speak of: the best of those shown to be better, else the best."""
    shown = {result.strategy for result in analysis.results if result.superiority == "surpasses"}
    return next((name for name in order if name in shown), order[0] if order else None)


def _better(analysis: Analysis, best: str | None) -> str:
    baseline = analysis.comparison.baseline
    results = {result.strategy: result for result in analysis.results}
    if best is None or best not in results:
        return nothing_compared(analysis.comparison)
    better = [name for name, result in results.items() if result.superiority == "surpasses"]
    if not analysis.tested:
        start = "So few runs decide nothing"
    elif better:
        others = f", as {words.are_listed([n for n in better if n != best])}" if len(better) > 1 else ""
        start = f"Choosing images with {best} is better than with {baseline}{others}{_caveat(results[best])}"
    elif all(result.superiority == "falls below" for result in results.values()):
        start = f"Every strategy falls below {baseline}"
    else:
        start = f"No strategy is shown to be better than {baseline}"
    labels = _labels(analysis, best)
    if not labels:
        return f"{start}."
    if better:
        return f"{start}: {labels}."
    chance = "" if start.startswith("Every") else ", which may be chance"
    return f"{start}. In these runs {labels}{chance}."


def nothing_compared(comparison: Comparison) -> str:
    """Return why no strategy is compared with the baseline."""
    baseline, gone = comparison.baseline, comparison.left_out
    if baseline in gone or (gone and comparison.strategies == (baseline,)):
        runs = words.listed([f"{name} ({why})" for name, why in gone.items()])
        return f"Nothing is compared: runs of {runs} are left out; see the remarks at the top."
    if not comparison.has_baseline:
        return f"There are no finished runs of {baseline} to compare with."
    if not comparison.active:
        return f"There are runs of {baseline} only: nothing is compared."
    return f"Nothing is compared: no strategy shares a split and seed with {baseline}; see the remarks at the top."


def _caveat(result: PairedResult) -> str:
    """Return, for what so few seeds or splits have shown, that they are few; "" of enough."""
    if result.units.resampled:
        return ""
    least = "six seeds" if result.units.kind == "seed" else "five splits"
    return f" on {words.units_text(result.units)}, which are few ({least} at the least, better ten)"


def _wrong_labels(analysis: Analysis) -> str:
    """Return how many of the labels that all strategies learnt from are wrong; "" where none is."""
    share = wrong_share(analysis.comparison)
    return (
        f" Of the labels that they learn from {words.rate(share)} are wrong, on purpose (settings of the oracle)."
        if share
        else ""
    )


def _labels(analysis: Analysis, best: str) -> str:
    saving = _saving(analysis, best)
    if saving is None:
        return ""
    metric, baseline = readable(analysis.settings.column), analysis.comparison.baseline
    own = words.labels(saving.labels, saving.most, saving.least)
    other = words.labels(saving.baseline_labels, saving.most, saving.least)
    text = f"{metric} {saving.target:.2f} takes {own} labels with {best}, {other} with {baseline}"
    return text if saving.bound == "unknown" else f"{text} ({words.fewer_text(saving)})"


def _escapes(analysis: Analysis, best: str | None) -> str:
    """Return what share of the faulty parts a line would pass: at its operating point, where that is known."""
    comparison, confidence = analysis.comparison, analysis.settings.confidence
    shown = [*([best] if best else []), comparison.baseline]
    found = {each.strategy: each for each in _decided(comparison, confidence) if each.strategy in shown}
    rates = [(name, found[name], found[name].escapes) for name in dict.fromkeys(shown) if name in found]
    texts = [_escaping(name, decided, rate, confidence) for name, decided, rate in rates if rate is not None]
    if not texts:
        return _escapes_as_trained(comparison, best)
    first = rates[0][1]
    return (
        f"With {first.labelled} labels, and a threshold that rejects at most {first.overkill:g} % of the "
        f"fault-free validation {line.WHAT[first.level]}, faults escape: {' and '.join(texts)}."
        f"{_not_of_groups(comparison, first)}"
    )


def _not_of_groups(comparison: Comparison, decided: line.Decided) -> str:
    """Return why images are decided on, and no groups; "" where groups are, or each image is one of its own."""
    reason = line.why_not_groups(comparison) if decided.level == "point" else ""
    return f" Of groups (coils) nothing is said: {reason}." if reason else ""


def _decided(comparison: Comparison, confidence: float) -> list[line.Decided]:
    """Return how strategies decide after the last cycle: on groups (coils), where enough give a threshold."""
    of_groups = line.decided(comparison, "group", confidence)
    known = all(each.escapes is not None and (each.allowed > 0 or each.overkill == 0) for each in of_groups)
    return of_groups if of_groups and known else line.decided(comparison, "point", confidence)


def _escaping(name: str, decided: line.Decided, rate: line.Rate, confidence: float) -> str:
    interval = f", {words.level(confidence)} interval {words.rate_range(rate.low, rate.high)}"
    ends = "" if math.isnan(rate.low) else interval
    what = f"faulty {line.WHAT[decided.level]}"
    also = (
        "" if decided.rejects is None else f"; {words.rate(decided.rejects.share)} of the fault-free are rejected"
    )
    counts = line.counts(rate)
    return f"{counts} {what} with {name} ({words.rate(rate.share)}{ends}{also})"


def _escapes_as_trained(comparison: Comparison, best: str | None) -> str:
    """Return what share of the faulty images the trained models pass as good, where no threshold is known."""
    rates = {
        name: (_last(comparison, name, ESCAPES), _last(comparison, name, OVERKILL))
        for name in dict.fromkeys([*([best] if best else []), comparison.baseline])
        if name in comparison.runs
    }
    known = {name: found for name, found in rates.items() if not math.isnan(found[0])}
    if not known:
        reason = NO_GOOD_CLASS if ESCAPES not in comparison.any_run.cycles else "no test image has one"
        return f"How many faults would escape is not known: {reason}."
    texts = [
        f"{words.rate(escaped)} with {name}"
        + ("" if math.isnan(rejected) else f" (and rejects {words.rate(rejected)} of the good ones)")
        for name, (escaped, rejected) in known.items()
    ]
    labels = int(comparison.labelled[-1])
    return f"With {labels} labels the model passes faulty test images as good: {' and '.join(texts)}."


def _last(comparison: Comparison, strategy: str, column: str) -> float:
    if column not in comparison.any_run.cycles:
        return math.nan
    values = comparison.unit_curves(strategy, column)[:, -1]
    return float(np.nanmean(values)) if np.isfinite(values).any() else math.nan


def _unseen(analysis: Analysis, best: str | None) -> str:
    """Return what is lost on a type of part that training has not seen; "" where no type is left out."""
    comparison, settings = analysis.comparison, analysis.settings
    found = drops(comparison, settings.metric, settings.confidence)
    name = best or comparison.baseline
    if found.empty or name not in set(found["strategy"]):
        return ""
    row = found[(found["strategy"] == name) & (found["left_out"] == TOGETHER)].iloc[0]
    ends = "" if math.isnan(row["low"]) else f" {words.interval(row['low'], row['high'], words.signed)}"
    return (
        f" That is on a {comparison.any_run.config['data.split.by']} never seen in training: there "
        f"{readable(settings.column)} with {name} is {words.number(row['unseen'], 2)}, against "
        f"{words.number(row['seen'], 2)} on seen ones (lost: {words.signed(row['drop'])}{ends})."
    )


def _money(analysis: Analysis, best: str | None) -> str:
    """Return whether the strategy pays at the assumed price of a label."""
    prices = analysis.settings.prices
    found = _costs(analysis, best) if best else []
    if not found:
        return ""
    at = f"At the assumed {words.money(prices.label)} {prices.currency} a label"
    if not found[0].reached:
        return f"{at} it is not decided whether {best} pays: it never gets there with the labels bought."
    verdict = worth(found, prices.label)
    verdicts = {"pays": f"{best} pays", "does not pay": f"{best} does not pay"}
    return (
        f"{at} {verdicts.get(verdict, f'it is not decided whether {best} pays')}: {_from(found, verdict, prices)}."
    )


CENT = 0.01
"""Less than that no price is told from another."""


def _from(costs: Sequence[Cost], verdict: str, prices: Prices) -> str:
    """Return from which price of a label on it pays, and why that may decide nothing."""
    if verdict == "pays":
        surely = max(cost.break_even.high for cost in costs)
        return f"so it does from {words.money(max(surely, CENT))} {prices.currency} a label on"
    if verdict == "undecided" and all(_is_open(cost) for cost in costs):
        return "from which price of a label on it does cannot be said from these runs"
    if all(math.isinf(cost.break_even.value) for cost in costs):
        known = any(cost.break_even.censored for cost in costs)
        text = "from which price on is not known" if known else "in these runs it does at no price of a label"
    else:
        texts = dict.fromkeys(words.break_even_text(cost.break_even, True) for cost in costs)
        prices_text = " or ".join(texts).replace("any price", "0")
        text = f"its break-even price, in {prices.currency}, is {prices_text}"
    if verdict != "undecided":
        return text
    if math.isnan(costs[0].break_even.low):
        return f"{text}, and so few runs give no interval"
    return f"{text}, and the assumed one lies within"


def _is_open(cost: Cost) -> bool:
    """Whether the interval of a break-even price is from nothing to any price."""
    return cost.break_even.low < CENT and math.isinf(cost.break_even.high)


def _worth_buying(analysis: Analysis, best: str | None) -> str:
    """Return how many labels are worth buying; "" where prices of wrong decisions are not set, or rates unknown."""
    comparison, settings = analysis.comparison, analysis.settings
    if best is None or missing(comparison, settings):
        return ""
    prices, found = settings.prices, worth_of(comparison, best, settings)
    return (
        f" {worth_text(found, f'With {best}')}, where a faulty part that passes costs {words.money(prices.escape)} "
        f"and a fault-free one that is rejected {words.money(prices.overkill)}."
    )


def worth(costs: Sequence[Cost], price: float) -> str:
    """Return ``pays`` or ``does not pay`` where the intervals of both ways of charging agree, or ``undecided``."""
    if all(cost.break_even.high < price for cost in costs):
        return "pays"
    return "does not pay" if all(cost.break_even.low > price for cost in costs) else "undecided"


def _costs(analysis: Analysis, strategy: str) -> list[Cost]:
    """Return the costs at the target that the answer speaks of and the assumed price, of each way of charging."""
    if analysis.middle is None:
        return []
    target, price = analysis.targets[analysis.middle], analysis.settings.prices.label
    return [cost for cost in analysis.costs.get(strategy, []) if (cost.target, cost.price) == (target, price)]


def _saving(analysis: Analysis, strategy: str) -> Saving | None:
    found = analysis.savings.get(strategy)
    return None if analysis.middle is None or not found else found[analysis.middle]


BETTER = {"surpasses": "yes", "falls below": "no: worse", "undecided": "not shown", "untested": "untested"}
PAYS = {"pays": "yes", "does not pay": "no", "undecided": "not decided"}
NOT_WORSE = {"not worse": "yes", "not shown": "not shown", "untested": "untested"}


def _table(analysis: Analysis, order: Sequence[str]) -> pd.DataFrame:
    comparison, baseline = analysis.comparison, analysis.comparison.baseline
    results = {result.strategy: result for result in analysis.results}
    decided = {each.strategy: each for each in _decided(comparison, analysis.settings.confidence)}
    rows = []
    for name in [*order, *([baseline] if comparison.has_baseline else [])]:
        result, saving, found = results.get(name), _saving(analysis, name), _costs(analysis, name)
        row = {"strategy": name}
        if analysis.tested:
            row[f"better than {baseline}?"] = BETTER[result.superiority] if result else words.NOTHING
            row["not worse?"] = NOT_WORSE[result.noninferiority] if result else words.NOTHING
        if analysis.middle is not None:
            row[f"labels for {readable(analysis.settings.column)} {analysis.targets[analysis.middle]:.2f}"] = (
                _needed(analysis) if name == baseline else _own(saving)
            )
            row["saved"] = words.NOTHING if saving is None else words.saving_text(saving)
        if name in decided:
            each = decided[name]
            rate, what = each.escapes, line.WHAT[each.level]
            row[f"faulty {what} that pass"] = words.NOTHING if rate is None else _with_interval(rate)
        elif ESCAPES in comparison.any_run.cycles:
            row["faulty images that pass"] = words.rate(_last(comparison, name, ESCAPES))
        if found:
            row["pays?"] = PAYS[worth(found, analysis.settings.prices.label)]
        rows.append(row)
    return pd.DataFrame(rows).fillna(words.NOTHING)


def _with_interval(rate: line.Rate) -> str:
    ends = "" if math.isnan(rate.low) else f" [{words.rate_range(rate.low, rate.high)}]"
    return f"{words.rate(rate.share)}{ends}"


def _own(saving: Saving | None) -> str:
    return words.NOTHING if saving is None else words.labels(saving.labels, saving.most, saving.least)


def _needed(analysis: Analysis) -> str:
    saving = next((s for name in analysis.savings if (s := _saving(analysis, name))), None)
    return words.NOTHING if saving is None else words.labels(saving.baseline_labels, saving.most, saving.least)


def _row(table: pd.DataFrame, strategy: str) -> dict[str, str]:
    found = table[table["strategy"] == strategy]
    return {} if found.empty else {str(key): str(value) for key, value in found.iloc[0].items()}


def _others(count: int) -> str:
    return "the other strategy" if count == 1 else f"the other {count} strategies"


def _picture(desk: Desk, order: Sequence[str]) -> Picture:
    comparison, settings = desk.comparison, desk.analysis.settings
    every = mean_curves(comparison, settings)
    named = [*([comparison.baseline] if comparison.has_baseline else []), *order[:MOST_NAMED]]
    curves = {name: every[name] for name in named}
    others = [every[name] for name in order[MOST_NAMED:]]
    metric = readable(settings.column)
    with plots.style():
        figure = plots.headline_figure(curves, others, desk.looks, metric, whole_pool(comparison, settings.column))
        grey = f" Grey: {_others(len(others))}." if others else ""
        bands = (
            f" Bands: {words.level(settings.confidence)} intervals of single points; they are no test."
            if any(np.isfinite(curve.low).any() for curve in curves.values())
            else ""
        )
        return desk.picture(
            "headline",
            figure,
            f"Mean learning curves of {words.listed(named)}: {metric} on test images over labelled images",
            f"{metric} on test images. Higher is better; further left means fewer labels.{bands}{grey}",
        )
