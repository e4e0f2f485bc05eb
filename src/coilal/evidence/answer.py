"""The answer in words: what the runs of one comparison say on the research questions, and what they leave open."""

from __future__ import annotations

import math
from dataclasses import dataclass

from coilal.evidence import words
from coilal.evidence.analysis import Analysis
from coilal.evidence.cost import Cost
from coilal.evidence.headline import nothing_compared, worth
from coilal.evidence.paired import PairedResult, detectable_effect
from coilal.evidence.units import BOOTSTRAP_SEEDS, BOOTSTRAP_SPLITS, Units
from coilal.run_directory.learning_curve import readable


@dataclass(frozen=True)
class Answer:
    """Sentences on each research question; where nothing is compared the first ones say so, and others are none.

    Attributes:
        holds: for which coils: the first line.
        surpasses: RQ1, does active learning surpass the baseline?
        not_worse: RQ2, which strategies are not worse?
        pays: RQ3, is the gain worth its cost?
        undecided: what the data cannot decide.
    """

    holds: str
    surpasses: list[str]
    not_worse: list[str]
    pays: list[str]
    undecided: list[str]


def answer(analysis: Analysis) -> Answer:
    """Put the results of a comparison into words."""
    comparison, holds = analysis.comparison, _holds(analysis)
    if not analysis.results:
        return Answer(holds, [nothing_compared(comparison)], [], [], [])
    if not analysis.tested:
        return Answer(holds, [_too_few(analysis)], [_too_few(analysis)], _pays(analysis), [])
    return Answer(holds, _surpasses(analysis), _not_worse(analysis), _pays(analysis), _undecided(analysis))


def _holds(analysis: Analysis) -> str:
    """Return for which coils the answer holds, and how much of the spread is theirs."""
    comparison = analysis.comparison
    if len(comparison.splits) < 2:
        further = (
            "the data give that division, and no other"
            if comparison.any_run.split_is_given
            else "further ones, split=0,1,2,3,4, speak of the next coil"
        )
        return (
            "This answer holds for these coils (groups of images) only. All runs divide them in the same way: "
            f"seeds tell chance in training and querying, and not in which coils are seen; {further}."
        )
    units = comparison.units(comparison.repeats)
    many = words.units_text(units)
    by = comparison.any_run.config.get("data.split.by")
    coils = f"values of {by} (lines, types) like these" if by else "coils like these"
    if not units.testable:
        return f"{many}: too few splits for an answer, which would be on further {coils}; see the curves."
    few = "" if units.resampled else ", which are few: five are the least to rely on, ten are better"
    if by:
        return (
            f"This answer is on further {coils}: it rests on {many}{few}. Each split tests what has one value, "
            "which training has not seen."
        )
    return (
        f"This answer is on further {coils}: it rests on {many}{few}. The split is what is counted, and the tests "
        f"allow for the images that splits share.{_sources(analysis)}"
    )


def _sources(analysis: Analysis) -> str:
    found = analysis.spread.values()
    total = sum(spread.split + spread.seed for spread in found)
    if total <= 0 or len(analysis.comparison.splits) < BOOTSTRAP_SPLITS:  # of few the share is hardly known
        return ""
    share = words.percentage(sum(spread.split for spread in found) / total)
    return (
        f" How strategies differ varies: {share} of that variance comes from which coils are seen, the rest from "
        "seeds."
    )


def _too_few(analysis: Analysis) -> str:
    """Return that no strategy shares enough seeds or splits with the baseline, and how many would be enough."""
    most = max((result.units for result in analysis.results), key=lambda units: units.count)
    number = {1: "One", 2: "Two"}.get(most.count, str(most.count))
    kind = most.kind if most.count == 1 else f"{most.kind}s"
    baseline = analysis.comparison.baseline
    shared = f" that a strategy shares with {baseline}" if most.count < _counted(analysis, baseline) else ""
    least = "six" if most.kind == "seed" else "five"
    decides = "decides" if most.count == 1 else "decide"
    return (
        f"{number} {kind}{shared} {decides} nothing: see the curves, and run more {most.kind}s ({least} at the "
        "least, better ten)."
    )


def _counted(analysis: Analysis, strategy: str) -> int:
    comparison = analysis.comparison
    return comparison.units(comparison.runs[strategy]).count


def effect(result: PairedResult) -> str:
    """Return effect, interval, p-value and number of seeds or splits."""
    return (
        f"{words.signed(result.mean)} AULC {words.interval(result.low, result.high, words.signed)}, "
        f"p {_equals(result.p_t_holm)}, {words.units_text(result.units)}"
    )


def _equals(p: float) -> str:
    text = words.p_value(p)
    return text if text.startswith("<") else f"= {text}"


def _surpasses(analysis: Analysis) -> list[str]:
    baseline = analysis.comparison.baseline
    better = [result for result in analysis.results if result.superiority == "surpasses"]
    below = [result for result in analysis.results if result.superiority == "falls below"]
    better.sort(key=lambda result: -result.mean)
    sentences = [f"{result.strategy} surpasses {baseline}: {effect(result)}." for result in better]
    sentences += [f"{result.strategy} falls below {baseline}: {effect(result)}." for result in below]
    if not better:
        sentences.insert(0, f"No strategy is shown to surpass {baseline}.")
    return sentences


def _not_worse(analysis: Analysis) -> list[str]:
    margin, baseline = analysis.settings.margin, analysis.comparison.baseline
    claimed = [result for result in analysis.results if result.noninferiority == "not worse"]
    rest = [result for result in analysis.results if result.noninferiority == "not shown"]
    sentences = [
        f"{result.strategy} is not worse than {baseline} by more than δ = {margin:g}: the interval of Δ begins at "
        f"{words.signed(result.low, 4)} ({words.units_text(result.units)})"
        + (f"; but it is below {baseline}." if result.superiority == "falls below" else ".")
        for result in claimed
    ]
    if not claimed:
        sentences.append(
            f"For no strategy is it shown that it is not worse than {baseline} by more than δ = {margin:g}."
        )
    alone = [result.strategy for result in rest if result.low > -margin]
    far = [result.strategy for result in rest if result.low <= -margin]
    if alone:
        sentences.append(f"Not shown once corrected for the number of strategies (Holm): {words.listed(alone)}.")
    if far:
        sentences.append(f"Not shown, because the interval reaches below −δ: {words.listed(far)}.")
    return sentences


def _pays(analysis: Analysis) -> list[str]:
    if analysis.middle is None:
        return ["No target to compare at: the curve of the baseline does not rise."]
    metric = readable(analysis.settings.column)
    sentences = []
    for strategy, savings in analysis.savings.items():
        saving = savings[analysis.middle]
        own = words.labels_with_interval(saving.labels, saving.labels_low, saving.labels_high, saving)
        other = words.labels_with_interval(
            saving.baseline_labels, saving.baseline_low, saving.baseline_high, saving
        )
        sentences.append(
            f"{strategy}: {metric} {saving.target:.3g} takes {own} labels, {other} with "
            f"{analysis.comparison.baseline}; saved: {words.saving_text(saving)}. {_verdict(analysis, strategy)}"
        )
    return sentences


def _verdict(analysis: Analysis, strategy: str) -> str:
    assert analysis.middle is not None
    target, price = analysis.targets[analysis.middle], analysis.settings.prices.label
    found = [c for c in analysis.costs[strategy] if c.target == target and c.price == price]
    if not found[0].reached:
        return "It never gets there with the labels bought, so there is no break-even price."
    texts = [f"{words.break_even_text(c.break_even, c.reached)} (baseline trained {c.training})" for c in found]
    currency = analysis.settings.prices.currency
    return (
        f"Break-even price of a label in {currency}: {'; '.join(texts)}. {_worth(found, price, currency, analysis)}"
    )


def _worth(costs: list[Cost], price: float, currency: str, analysis: Analysis) -> str:
    """Say whether it pays at the assumed price; decided only where interval and both ways of charging agree."""
    at, verdict = f"At {words.money(price)} {currency} a label", worth(costs, price)
    if verdict != "undecided":
        return f"{at} it {verdict}."
    least = "six seeds" if len(analysis.comparison.splits) < 2 else "five splits"
    few = f" (fewer than {least}, so no interval)" if math.isnan(costs[0].break_even.low) else ""
    return f"{at} that is not decided{few}."


def _undecided(analysis: Analysis) -> list[str]:
    sentences = []
    for result in analysis.results:
        if result.superiority == "untested":
            kind = result.units.kind
            reason = (
                f"differs by the same amount for every {kind}"
                if result.units.testable
                else f"shares {words.units_text(result.units)} only"
            )
            sentences.append(f"{result.strategy}: {reason}, so nothing can be tested.")
        elif result.superiority == "undecided":
            sentences.append(f"{result.strategy}: {effect(result)}. {_power(result, analysis)}")
    units = max((result.units for result in analysis.results), key=lambda units: units.count)
    if not sentences and all(result.noninferiority == "not worse" for result in analysis.results):
        return []
    return sentences + (_few_seeds(units.count, analysis) if units.kind == "seed" else _few_splits(units, analysis))


def _few(analysis: Analysis) -> str:
    """Return what so few runs are too few for: what is shown all the same stays shown."""
    shown = any(
        result.superiority in ("surpasses", "falls below") or result.noninferiority == "not worse"
        for result in analysis.results
    )
    return "too few for more than is shown above" if shown else "too few to answer"


def _few_seeds(most: int, analysis: Analysis) -> list[str]:
    sentences = []
    if most < BOOTSTRAP_SEEDS:
        sentences.append(
            f"{words.seeds_text(most)} find only a difference of "
            f"{detectable_effect(most, analysis.settings.alpha):.1f} standard deviations or more (80 % power): "
            f"{_few(analysis)}. Run six at the least, better ten."
        )
        sentences.append(
            f"With {words.seeds_text(most)} a two-sided Wilcoxon test cannot go below {2 ** (1 - most):.3g}: "
            "it cannot be significant, whatever the data."
        )
    return sentences


def _few_splits(units: Units, analysis: Analysis) -> list[str]:
    if units.count >= BOOTSTRAP_SPLITS:
        return []
    effect = detectable_effect(units.count, analysis.settings.alpha, units.overlap)
    return [
        f"{words.units_text(units)} find only a difference of {effect:.1f} standard deviations between splits or "
        f"more (80 % power): {_few(analysis)}. Run five splits at the least, better ten."
    ]


def _power(result: PairedResult, analysis: Analysis) -> str:
    text = (
        f"With this spread {words.units_text(result.units)} find a difference of "
        f"{words.number(result.detectable)} or more (80 % power"
    )
    return text + (", more once Holm-corrected)." if len(analysis.results) > 1 else ").")
