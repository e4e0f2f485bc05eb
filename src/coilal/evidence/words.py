"""Numbers as the report shows them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from coilal.evidence.cost import Estimate
from coilal.evidence.savings import Saving
from coilal.evidence.units import Units

NOTHING = "–"


def number(value: float, digits: int = 3) -> str:
    """Return a number with so many decimals, with a true minus sign."""
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{digits}f}".replace("-", "−")


def signed(value: float, digits: int = 3) -> str:
    """Return a number with its sign."""
    return number(value, digits) if math.isnan(value) or value < 0 else f"+{number(value, digits)}"


def interval(low: float, high: float, show: Callable[[float], str] = number) -> str:
    """Return ``[low, high]``, or a dash without an interval."""
    return NOTHING if math.isnan(low) else f"[{show(low)}, {show(high)}]"


def p_value(value: float) -> str:
    """Return a p-value with two significant digits."""
    if math.isnan(value):
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.2g}"


def money(value: float) -> str:
    """Return an amount with three significant digits; what is less than a hundredth is called so."""
    if math.isnan(value) or math.isinf(value):
        return number(value)
    if 0 < value < 0.01:
        return "< 0.01"
    if -0.01 < value < 0:
        return "> −0.01"
    text = "0" if value == 0 else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return text.replace("-", "−")


def percentage(value: float) -> str:
    """Return a share in per cent, with a true minus sign; what is not quite nothing, or all, is not called so."""
    if not math.isfinite(value):
        return number(value)
    if value in (0, 1) or round(100 * value) not in (0, 100):
        return f"{round(100 * value)} %".replace("-", "−")  # round gives a whole number, which has no −0
    finer = f"{100 * value:.1f} %".replace("-", "−")
    return {"0.0 %": "< 0.1 %", "−0.0 %": "> −0.1 %", "100.0 %": "> 99.9 %"}.get(finer, finer)


def rate(share: float) -> str:
    """Return a share in per cent, with two significant digits below ten; few are not none, nor most all."""
    if math.isnan(share):
        return NOTHING
    return percentage(share) if share < 0.0005 or share > 0.995 else f"{_digits(share)} %"


def rate_range(low: float, high: float) -> str:
    """Return ``0.6–16 %``."""
    return f"{_digits(low)}–{_digits(high)} %"


def _digits(share: float) -> str:
    value = 100 * share
    return f"{value:.1f}" if 0.05 <= value < 9.95 else f"{value:.0f}"


def level(share: float) -> str:
    """Return a level of confidence, or another share that was set, in per cent."""
    return f"{100 * share:.6g} %"


def unbroken(text: str) -> str:
    """Return a text in which numbers stay in the line of their signs and units."""
    for sign in ("<", ">", "≤", "p =", "="):
        text = text.replace(f"{sign} ", f"{sign}\u00a0")
    return text.replace(" %", "\u00a0%").replace(" =", "\u00a0=")


def labels(value: float, most: int, least: int) -> str:
    """Return the labels that are needed; ``> N`` where they were not enough, ``≤ n`` where the start was."""
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return f"> {most}"
    return f"≤ {least}" if value <= least else f"{value:.0f}"


def labels_with_interval(value: float, low: float, high: float, saving: Saving) -> str:
    """Return the labels that are needed, with their interval."""
    shown = labels(value, saving.most, saving.least)
    if math.isnan(low):
        return shown
    ends = [labels(end, saving.most, saving.least) for end in (low, high)]
    return f"{shown} [{ends[0]}, {ends[1]}]"


def saving_text(saving: Saving) -> str:
    """Return the share of labels saved, with what censoring leaves of it."""
    if saving.bound == "unknown":
        return "unknown (neither gets there)"
    prefix, share = {"exact": "", "at least": "> ", "at most": "< "}[saving.bound], percentage(saving.saving)
    ends = "" if math.isnan(saving.low) else f" {interval(saving.low, saving.high, percentage)}"
    return f"{'' if share[0] in '<>' else prefix}{share}{ends}"


def fewer_text(saving: Saving) -> str:
    """Return how many labels fewer a strategy takes than the baseline, or more, for readers of sentences."""
    value, low, high, bound = saving.saving, saving.low, saving.high, saving.bound
    if value >= 0:
        least, word = {"exact": "", "at least": "at least ", "at most": "at most "}[bound], "fewer"
    else:
        value, low, high, word = -value, -high, -low, "more"
        least = {"exact": "", "at least": "at most ", "at most": "at least "}[bound]
    ends = "" if math.isnan(low) else f" {interval(low, high, percentage)}"
    return f"{least}{percentage(value)}{ends} {word}"


def break_even_text(price: Estimate, reached: bool, show: Callable[[float], str] = money) -> str:
    """Return from which price of a label on active learning pays."""
    if not reached:
        return "target not reached"
    same = (
        show(price.low) == show(price.high) == show(price.value)
    )  # the interval of less than a cent tells nothing
    ends = "" if math.isnan(price.low) or same else f" {interval(price.low, price.high, show)}"
    if math.isinf(price.value):
        # a baseline that never gets there may need any number of labels more: then it is not known to be too few
        return f"{'unknown' if price.censored else 'never pays'}{ends}"
    if price.value == 0:
        return f"any price{ends}"
    value = show(price.value)
    return f"{'< ' if price.censored and not value.startswith('<') else ''}{value}{ends}"


def cost_text(cost: Estimate, show: Callable[[float], str] = money) -> str:
    """Return a cost with its interval; ``>`` where the target was not reached."""
    ends = "" if math.isnan(cost.low) else f" {interval(cost.low, cost.high, show)}"
    return f"{'> ' if cost.censored else ''}{show(cost.value)}{ends}"


def counted(count: int, what: str, plural: str = "") -> str:
    """Return ``1 seed`` or ``n seeds``; a plural that takes more than an s is given."""
    return f"{count} {what if count == 1 else plural or f'{what}s'}"


def seeds_text(count: int) -> str:
    """Return ``1 seed`` or ``n seeds``."""
    return counted(count, "seed")


def runs_text(count: int) -> str:
    """Return ``1 run`` or ``n runs``."""
    return counted(count, "run")


def mean_of_runs(count: int) -> str:
    """Return ``mean of n runs`` or, of one, that there is no mean."""
    return "one run" if count == 1 else f"mean of {runs_text(count)}"


def units_text(units: Units) -> str:
    """Return how many seeds there are or, with several splits, how many splits of how many seeds."""
    if units.kind == "seed":
        return seeds_text(units.count)
    splits = counted(units.count, "split")
    each = sorted(Counter(units.of).values())
    seeds = seeds_text(each[0]) if each[0] == each[-1] else f"{each[0]} to {each[-1]} seeds"
    return f"{splits} × {seeds}"


def are_listed(names: Sequence[str]) -> str:
    """Return ``a is`` or ``a and b are``."""
    return f"{listed(names)} {'is' if len(names) == 1 else 'are'}"


def listed(names: Sequence[str]) -> str:
    """Return ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def shown(table: pd.DataFrame, formats: Mapping[str, Callable[[float], str]]) -> pd.DataFrame:
    """Return a table as text: each column by its format, other floats with three decimals."""
    texts = {}
    for name, column in table.items():
        show = formats.get(str(name), number if pd.api.types.is_float_dtype(column) else str)
        texts[name] = [show(value) for value in column]
    return pd.DataFrame(texts, index=table.index)
