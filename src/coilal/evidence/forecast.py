"""The sections of a report page on what comes after the last cycle: labels for a target, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from coilal.evidence import words
from coilal.evidence.analysis import mean_interval
from coilal.evidence.desk import Desk, Section
from coilal.evidence.extrapolation import FARTHEST, LearningCurve, Need, Refusal, labels_needed
from coilal.evidence.outlook import LAST, Brought, Outlook, outlook
from coilal.run_directory.learning_curve import readable


def forecast(desk: Desk) -> Section | None:
    """Return how many labels each strategy would take for what it has not reached, or why that cannot be said.

    Targets are those of the settings or, without any, what the best strategy reaches.
    """
    column, curves = desk.analysis.settings.column, _mean_curves(desk)
    targets = desk.analysis.settings.targets or (_reached(curves.values()),)
    found = {
        (name, target): labels_needed(curve, target)
        for target in targets
        for name, curve in curves.items()
        if curve.mean.max() < target
    }
    if not found:
        return None
    metric = readable(column)
    rows = [{"strategy": name, "target": target, **_numbers(need)} for (name, target), need in found.items()]
    shown = pd.DataFrame(
        [
            {"strategy": name, metric: f"{target:.3g}", "labels, at least": _labels(need), "because": _why(need)}
            for (name, target), need in found.items()
        ]
    )
    return Section(
        "How many labels for what is not reached yet",
        f"Mean curves followed beyond their end, to {FARTHEST:g} times the labels at most; the family of curves is "
        "the one that, fitted to the first cycles, is wrong by least in the later ones. Conclude: whether it is "
        "worth going on. Do not plan by the number, which was too small for most curves that went on: the interval "
        "held (docs/evaluation.md).",
        tables=[desk.table("forecast", pd.DataFrame(rows), shown)],
    )


def going_on(desk: Desk) -> Section | None:
    """Return what the next batches are expected to bring, and from when on that is too little."""
    labelled, settings = desk.comparison.labelled, desk.analysis.settings
    if len(labelled) <= LAST or desk.comparison.any_run.is_full_pool:
        return None
    labels = int(labelled[-1] - labelled[-1 - LAST])
    found = {
        name: outlook(curve, _brought(desk, name), labels, settings.least_gain)
        for name, curve in _mean_curves(desk).items()
    }
    rows = [{"strategy": name, **_outlook_numbers(ahead)} for name, ahead in found.items()]
    shown = pd.DataFrame(
        [
            {
                "strategy": name,
                f"next {labels} labels": _gain(ahead),
                "advice": ahead.verdict,
                f"less than {settings.least_gain:g} from": _stop(ahead, int(labelled[-1])),
                "because": _because(ahead),
            }
            for name, ahead in found.items()
        ]
    )
    return Section(
        "Is it worth going on?",
        f"What {labels} labels after the last cycle ({LAST} batches, as the last ones) are expected to add to "
        f"{readable(settings.column)}, along the fitted curve; where no curve can be followed, as much as the last "
        f"ones did. Stop: the upper end is below compare.least_gain = {settings.least_gain:g}; go on: the lower "
        "end is above 0, and as much is expected; else not sure. Beside it the labels from which on as many more "
        f"are expected to add less, ∞: not within {FARTHEST:g} times those there are. Conclude: whether to buy the "
        "next batches. Do not conclude that nothing more can be gained later by other images: docs/evaluation.md "
        "says how often such advice was right.",
        tables=[desk.table("going_on", pd.DataFrame(rows), shown)],
    )


def _brought(desk: Desk, strategy: str) -> Brought:
    """Return what the last batches have brought, by seed or split."""
    comparison, settings = desk.comparison, desk.analysis.settings
    curves = comparison.unit_curves(strategy, settings.column)
    gains = curves[:, -1:] - curves[:, -1 - LAST, None]
    value, low, high = (float(each[0]) for each in mean_interval(gains, settings.confidence, comparison.overlap))
    return Brought(value, low, high)


def _outlook_numbers(ahead: Outlook) -> dict[str, object]:
    stop = (math.nan,) * 3 if ahead.stop is None else (ahead.stop.labels, ahead.stop.low, ahead.stop.high)
    return {
        **{name: getattr(ahead, name) for name in ("labels", "value", "low", "high", "verdict")},
        **dict(zip(("stop", "stop_low", "stop_high"), stop, strict=True)),
        "family": ahead.family,
        "refused": ahead.reason,
    }


def _stop(ahead: Outlook, now: int) -> str:
    if ahead.stop is None:
        return words.NOTHING
    ends = (ahead.stop.labels, ahead.stop.low, ahead.stop.high)
    value, low, high = ("now" if labels == now else words.number(labels, 0) for labels in ends)
    return value if math.isnan(ahead.stop.low) else f"{value} [{low}, {high}]"


def _gain(ahead: Outlook) -> str:
    ends = "" if math.isnan(ahead.low) else f" {words.interval(ahead.low, ahead.high, words.signed)}"
    return f"{words.signed(ahead.value)}{ends}"


def _because(ahead: Outlook) -> str:
    text = f"fitted: {ahead.family}" if ahead.stop else f"as the last {ahead.labels} labels. {ahead.reason}"
    return f"{text.removesuffix('.')}. So few runs give no interval." if math.isnan(ahead.low) else text


def _mean_curves(desk: Desk) -> dict[str, LearningCurve]:
    comparison, column = desk.comparison, desk.analysis.settings.column
    return {
        name: LearningCurve.of(comparison.labelled, comparison.unit_curves(name, column), comparison.overlap)
        for name in comparison.runs
    }


def _reached(curves: Iterable[LearningCurve]) -> float:
    """Return the most that any curve has reached, in hundredths."""
    return math.floor(100 * max(float(curve.mean.max()) for curve in curves)) / 100


def _numbers(need: Need | Refusal) -> dict[str, object]:
    if isinstance(need, Refusal):
        return {"labels": math.nan, "low": math.nan, "high": math.nan, "family": "", "refused": need.reason}
    return {**vars(need), "refused": ""}


def _labels(need: Need | Refusal) -> str:
    if isinstance(need, Refusal):
        return words.NOTHING
    return f"{need.labels:.0f} {words.interval(need.low, need.high, lambda labels: words.number(labels, 0))}"


def _why(need: Need | Refusal) -> str:
    return need.reason if isinstance(need, Refusal) else f"fitted: {need.family}"
