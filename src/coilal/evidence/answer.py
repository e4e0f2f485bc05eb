"""The answer in words: what the runs of one comparison say on the research questions, and what they leave open."""

from __future__ import annotations

import math
from dataclasses import dataclass

from coilal.evidence import words
from coilal.evidence.analysis import Analysis
from coilal.evidence.cost import Cost
from coilal.evidence.paired import BOOTSTRAP_SEEDS, PairedResult, detectable_effect
from coilal.run_directory.learning_curve import readable


@dataclass(frozen=True)
class Answer:
    """Sentences on each research question.

    Attributes:
        surpasses: RQ1, does active learning surpass the baseline?
        not_worse: RQ2, which strategies are not worse?
        pays: RQ3, is the gain worth its cost?
        undecided: what the data cannot decide.
    """

    surpasses: list[str]
    not_worse: list[str]
    pays: list[str]
    undecided: list[str]


def answer(analysis: Analysis) -> Answer:
    """Put the results of a comparison into words."""
    comparison = analysis.comparison
    if not comparison.has_baseline:
        nothing = [f"There are no finished runs of {comparison.baseline} to compare with."]
        return Answer(nothing, nothing, nothing, [])
    if not analysis.results:
        nothing = [f"No strategy shares a seed with {comparison.baseline}."]
        return Answer(nothing, nothing, nothing, [])
    if not analysis.tested:
        nothing = ["One seed decides nothing: see the curves, and run more seeds (six at the least, better ten)."]
        return Answer(nothing, nothing, _pays(analysis), [])
    return Answer(_surpasses(analysis), _not_worse(analysis), _pays(analysis), _undecided(analysis))


def effect(result: PairedResult) -> str:
    """Return effect, interval, p-value and number of seeds."""
    return (
        f"{words.signed(result.mean)} AULC {words.interval(result.low, result.high, words.signed)}, "
        f"p {_equals(result.p_t_holm)}, {words.seeds_text(len(result.seeds))}"
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
        f"{words.signed(result.low, 4)} ({words.seeds_text(len(result.seeds))})"
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
    return f"Break-even price of a label in {currency}: {'; '.join(texts)}. {_worth(found, price, currency)}"


def _worth(costs: list[Cost], price: float, currency: str) -> str:
    """Say whether it pays at the assumed price; decided only where interval and both ways of charging agree."""
    at = f"At {words.money(price)} {currency} a label"
    if all(cost.break_even.high < price for cost in costs):
        return f"{at} it pays."
    if all(cost.break_even.low > price for cost in costs):
        return f"{at} it does not pay."
    few = " (fewer than six seeds, so no interval)" if math.isnan(costs[0].break_even.low) else ""
    return f"{at} that is not decided{few}."


def _undecided(analysis: Analysis) -> list[str]:
    sentences = []
    for result in analysis.results:
        if result.superiority == "untested":
            reason = (
                "shares one seed only" if len(result.seeds) == 1 else "differs by the same amount for every seed"
            )
            sentences.append(f"{result.strategy}: {reason}, so nothing can be tested.")
        elif result.superiority == "undecided":
            sentences.append(f"{result.strategy}: {effect(result)}. {_power(result, analysis)}")
    most = max(len(result.seeds) for result in analysis.results)
    if most < BOOTSTRAP_SEEDS:
        sentences.append(
            f"{words.seeds_text(most)} find only a difference of "
            f"{detectable_effect(most, analysis.settings.alpha):.1f} standard deviations or more (80 % power): too "
            "few to answer. Run six at the least, better ten."
        )
    if most < 6:
        sentences.append(
            f"With {words.seeds_text(most)} a two-sided Wilcoxon test cannot go below {2 ** (1 - most):.3g}: "
            "it cannot be significant, whatever the data."
        )
    return sentences


def _power(result: PairedResult, analysis: Analysis) -> str:
    text = (
        f"With this spread {words.seeds_text(len(result.seeds))} find a difference of "
        f"{words.number(result.detectable)} or more (80 % power"
    )
    return text + (", more once Holm-corrected)." if len(analysis.results) > 1 else ").")
