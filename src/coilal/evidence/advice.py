"""What the last batches of a labelling session have bought, what the next ones cost, and whether to go on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from coilal.evidence import words
from coilal.evidence.audit import Audit, Cycle
from coilal.evidence.clustered import Gain
from coilal.evidence.extrapolation import FARTHEST, LearningCurve
from coilal.evidence.outlook import LAST, LEAST_GAIN, Brought, Outlook, Stop, outlook
from coilal.evidence.report_settings import SECONDS_AN_HOUR, Prices

MUCH_WIDER = 1.5
"""Times the interval of what the last batches brought: above it is the curve that is not known, not that."""
ALL_LABELLED = "All images are labelled: more labels need more images."


@dataclass(frozen=True)
class Stake:
    """From which gain on labels are worth their price.

    Attributes:
        least_gain: share of the audit set that ``LAST`` batches must add, where nobody knows what an error costs.
        error: money that a wrong decision on an image costs; 0: not known.
        decisions: images that the model will decide on.
    """

    least_gain: float = LEAST_GAIN
    error: float = 0.0
    decisions: int = 10_000

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Stake:
        """Return that of the settings ``label``, of which those of earlier versions lack some."""
        return cls(**{field.name: given[field.name] for field in fields(cls) if field.name in given})

    def least(self, price: float | None) -> tuple[float, str]:
        """Return the share of the decisions that must be right more often, and what it is from.

        Args:
            price: of the labels, in money; None where nobody knows.
        """
        if self.error and price is not None:
            return price / (self.error * self.decisions), "what they cost, beside label.error"
        return self.least_gain, "label.least_gain"


def advice(
    audit: Audit, stake: Stake, seconds: float | None, prices: Prices | None, all_labelled: bool = False
) -> list[str]:
    """Return a verdict, and sentences on what was bought and at what price; nothing before there are two cycles.

    The verdict needs ``LAST`` batches.

    Args:
        audit: the finished cycles.
        stake: what a gain must be to be worth its labels.
        seconds: a label takes people, as measured; None where nobody knows.
        prices: of hours; None where no price is set, and time alone is spoken of.
        all_labelled: whether no image is left to label, so that there is nothing to advise.
    """
    if len(audit.cycles) < 2:
        return []
    first = max(0, len(audit.cycles) - 1 - LAST)
    bought = audit.cycles[first + 1 :]
    labels = audit.cycles[-1].point.labelled - audit.cycles[first].point.labelled
    spent = _price(labels, bought, seconds, prices)
    found = audit.gain(first, len(audit.cycles) - 1)
    if found is None:
        return [
            f"What the last {words.counted(labels, 'label')}{_in(spent)} bought cannot be said: earlier versions "
            "kept no predictions by image, so that before and after are not compared in pairs."
        ]
    if all_labelled:
        return [ALL_LABELLED, _what_was_bought(labels, spent, found)]
    verdict: list[str] = []
    if len(bought) == LAST and labels > 0:
        least, least_is = stake.least(_money(labels, bought, seconds, prices))
        verdict = _verdict(audit, found, labels, least, least_is, seconds)
    return [*verdict, _what_was_bought(labels, spent, found), *_next(audit.cycles, seconds, prices)]


def _what_was_bought(labels: int, spent: str, found: Gain) -> str:
    before, after = words.percentage(found.before), words.percentage(found.after)
    return (
        f"The last {words.counted(labels, 'label')}{_in(spent)} moved what the model gets right "
        f"from {before} to {after} of the "
        f"audit set: {_points(found.value)} points, 95 % interval {_points(found.low)} to {_points(found.high)} "
        f"(the same {_shown(found)} before and after)."
    )


def _shown(found: Gain) -> str:
    return f"{words.counted(found.images, 'image')} of {words.counted(found.groups, 'part')}"


def _next(cycles: Sequence[Cycle], seconds: float | None, prices: Prices | None) -> list[str]:
    labels = cycles[-1].point.labelled - cycles[-2].point.labelled
    price = _price(labels, cycles[-1:], seconds, prices)
    batch = words.counted(labels, "label")
    return [f"Another batch of {batch} costs about {price}."] if labels > 0 and price else []


def _verdict(
    audit: Audit, found: Gain, labels: int, least: float, least_is: str, seconds: float | None
) -> list[str]:
    if found.high < 0:
        return ["The model got worse: look through the last labels in the gallery, where it disagrees."]
    points = audit.points
    shares = np.array([point.value for point in points])
    # all points are of the same images, whose choice moves the curve as a whole
    curve = LearningCurve(np.array([point.labelled for point in points]), shares, np.zeros(len(points)))
    ahead = outlook(curve, Brought(found.value, found.low, found.high), labels, least)
    return [_what_to_do(ahead, found, least_is, seconds), _what_is_expected(ahead)]


def _what_to_do(ahead: Outlook, found: Gain, least_is: str, seconds: float | None) -> str:
    wanted = _wanted(ahead)
    if ahead.verdict == "stop":
        return (
            f"More labels of this kind are not worth it: the next {LAST} batches are expected to add less than "
            f"{wanted} ({least_is})."
        )
    if ahead.verdict == "go on":
        rate = ""
        if seconds is not None:
            each = ahead.labels * seconds / (100 * ahead.value)
            rate = f": at this rate a further percentage point takes {duration(each)} or more"
        return f"The labels still buy something{rate}. Go on while that is worth it."
    more = "enough" if ahead.value >= ahead.least else "too little"
    if ahead.high - ahead.low > MUCH_WIDER * (found.high - found.low):
        return (
            f"The next {LAST} batches are expected to add {more}, but the curve is too unsteady to follow it that "
            f"far; {wanted} would be worth it ({least_is}). The next batch tells more."
        )
    return (
        f"The next {LAST} batches are expected to add {more}, but the audit set is too small to tell: on "
        f"{_shown(found)} a gain is seen from about "
        f"{100 * (found.high - found.low) / 2:.0f} points on, and {wanted} would be worth it ({least_is}). A "
        "larger label.audit, at the start, tells more."
    )


def _what_is_expected(ahead: Outlook) -> str:
    expected = (
        f"{_points(ahead.value)} points from the next {words.counted(ahead.labels, 'label')}, interval "
        f"{_points(ahead.low)} to {_points(ahead.high)}"
    )
    if ahead.stop is None:
        return f"Expected: {expected}, if they bring what the last ones did. {ahead.reason}"
    return f"Expected of the curve so far: {expected}; {_when_to_stop(ahead.stop, ahead)}."


def _when_to_stop(stop: Stop, ahead: Outlook) -> str:
    """Return from how many labels on as many more are expected to bring too little."""
    least = f"less than {_wanted(ahead)}"
    if ahead.value < ahead.least:
        return f"{least} from now on"
    if math.isinf(stop.labels):
        return f"{least} not within {FARTHEST:g} times the labels that there are"
    low, high = (
        f"more than {FARTHEST:g} times those there are" if math.isinf(end) else f"{end:.0f}"
        for end in (stop.low, stop.high)
    )
    return f"{least} from {stop.labels:.0f} labels on (interval {low} to {high})"


def _wanted(ahead: Outlook) -> str:
    return f"{100 * ahead.least:.2g} points"


def _price(labels: int, cycles: Sequence[Cycle], seconds: float | None, prices: Prices | None) -> str:
    """Return time and money that labels and the cycles that learn from them take, "" where nobody knows."""
    if seconds is None:
        return ""
    text = duration(labels * seconds)
    if prices is None:
        return text
    return f"{text}, {_money(labels, cycles, seconds, prices):.2f} {prices.currency}"


def _money(labels: int, cycles: Sequence[Cycle], seconds: float | None, prices: Prices | None) -> float | None:
    """Return what labels and the cycles that learn from them cost, None where nobody knows."""
    if seconds is None or prices is None:
        return None
    machine = sum(cycle.machine_s for cycle in cycles) / SECONDS_AN_HOUR * prices.compute_hour
    people = labels * seconds / SECONDS_AN_HOUR * prices.annotator_hour
    return people + machine + len(cycles) * prices.idle


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 90 * 60 else f"{seconds / 3600:.1f} hours"


def _in(spent: str) -> str:
    return f" (about {spent})" if spent else ""


def _points(share: float) -> str:
    return f"{100 * share:+.0f}".replace("-", "−")
