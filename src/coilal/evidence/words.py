"""Numbers as the report shows them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from coilal.evidence.cost import Estimate
from coilal.evidence.savings import Saving

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
    return "0" if value == 0 else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def percentage(value: float) -> str:
    """Return a share in per cent, with a true minus sign."""
    if not math.isfinite(value):
        return number(value)
    return f"{round(100 * value)} %".replace("-", "−")  # round gives a whole number, which has no −0


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
    prefix = {"exact": "", "at least": "> ", "at most": "< "}[saving.bound]
    ends = "" if math.isnan(saving.low) else f" {interval(saving.low, saving.high, percentage)}"
    return f"{prefix}{percentage(saving.saving)}{ends}"


def break_even_text(price: Estimate, reached: bool, show: Callable[[float], str] = money) -> str:
    """Return from which price of a label on active learning pays."""
    if not reached:
        return "target not reached"
    ends = "" if math.isnan(price.low) else f" {interval(price.low, price.high, show)}"
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


def seeds_text(count: int) -> str:
    """Return ``1 seed`` or ``n seeds``."""
    return f"{count} seed" if count == 1 else f"{count} seeds"


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
