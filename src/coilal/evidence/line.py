"""What an inspection line decides on: escapes and overkill at the operating point, in numbers and in words.

Columns of cycles.csv (``inspection.line``) of the runs of one comparison. Runs of one split have the same test
images, so that seeds add none: a count is the mean over the runs of a split, out of the images (groups) of that
split, and its interval is about other images (groups), not about other seeds. Folds test each group once: their
counts are added. Of other splits, whose test images may be the same in part, counts are averaged, and the interval
is that of one split's images.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import pandas as pd

from coilal.common.types import FloatArray, Kind
from coilal.evidence import words
from coilal.evidence.comparison import Comparison
from coilal.evidence.predicted import read
from coilal.evidence.proportion import clustered, exact
from coilal.evidence.reading import Run
from coilal.inspection.calibration import COLDEST, HOTTEST, Reliability, pooled, reliabilities, scaled

Level = Literal["point", "group"]
"""Decisions on images, or on groups (coils): the beginning of the columns."""
WHAT: Mapping[Level, str] = {"point": "images", "group": "groups"}
RATES = {"escape_rate": ("escaped", "faulty"), "overkill_rate": ("rejected", "good")}
CURVES = {
    f"{rate}, {WHAT[level]}": f"test/{level}/{rate.partition(' ')[0]}_rate"
    for level in WHAT
    for rate in ("escape rate", "overkill rate")
}
"""Title → column of what is drawn over labelled images."""
CALIBRATION_CURVES = {"ECE, as trained": "test/calibration/ece", "ECE, scaled": "test/calibration/ece_scaled"}
"""The same, of how far probabilities can be believed."""
CALIBRATION = {
    "ECE": "test/calibration/ece",
    "ECE, scaled": "test/calibration/ece_scaled",
    "temperature": "val/calibration/temperature",
}


HOW = (
    "Thresholds are the lowest at which no more than the given share of fault-free validation images (groups) is "
    "rejected; test images have no part in them, so that the overkill there is another. A group (coil) is faulty "
    "if any of its images is, and has a threshold of its own. Counts are means over the runs of a split, which all "
    "have the same test images, and over splits (of folds, or types left out, sums): intervals are about other "
    "images, or groups, and not about other seeds. Intervals of images take those of one group to be as alike as "
    "they are (design effect, Korn & Graubard 1998), those of groups are exact (Clopper & Pearson). ECE: expected "
    "calibration error (15 bins); scaled: by the temperature that validation images give."
)


@dataclass(frozen=True)
class Rate:
    """A share of wrong decisions.

    Attributes:
        wrong: decisions that are wrong, mean over runs of one split, then over splits, those of folds added.
        of: decisions, in the same way.
        low: lower end of the interval of the share.
        high: upper end.
        least: fewest wrong decisions of a run.
        most: most of them.
        runs: number of runs.
        splits: number of splits.
    """

    wrong: float
    of: float
    low: float
    high: float
    least: float
    most: float
    runs: int
    splits: int

    @property
    def share(self) -> float:
        """Return the share."""
        return self.wrong / self.of


@dataclass(frozen=True)
class Decided:
    """How a strategy decides in one cycle.

    Attributes:
        strategy: its name.
        labelled: labelled images.
        level: what is decided on.
        overkill: share of the fault-free validation images (groups) that might be rejected, in percent.
        allowed: how many of them those are.
        good: fault-free validation images (groups), from which the threshold is.
        escapes: faulty ones that pass; None where there is no faulty one, or no threshold.
        rejects: fault-free ones that are rejected; None where there is none, or no threshold.
    """

    strategy: str
    labelled: int
    level: Level
    overkill: float
    allowed: int
    good: float
    escapes: Rate | None
    rejects: Rate | None


def decided(comparison: Comparison, level: Level, confidence: float, cycle: int = -1) -> list[Decided]:
    """Return how each strategy decides in a cycle; those of which no run has the figures are left out.

    Args:
        comparison: the runs.
        level: what is decided on.
        confidence: level of the intervals.
        cycle: its place on the curve.
    """
    found = []
    for strategy, runs in comparison.runs.items():
        known = _with(runs.values(), f"test/{level}/faulty")
        if not known:
            continue
        rows = [(run, run.cycles.iloc[cycle]) for run in known]
        percent = overkill(known[0])
        good = float(np.mean([row[f"val/{level}/good"] for _, row in rows]))
        rates = {name: _rate(rows, level, *columns, confidence) for name, columns in RATES.items()}
        found.append(
            Decided(
                strategy,
                int(comparison.labelled[cycle]),
                level,
                percent,
                int(percent / 100 * good + 1e-9),
                good,
                rates["escape_rate"],
                rates["overkill_rate"],
            )
        )
    return found


def overkill(run: Run) -> float:
    """Return the share of fault-free validation images that a run's thresholds might reject, in percent."""
    return float(run.config["inspection.overkill"])


def _with(runs: Iterable[Run], column: str) -> list[Run]:
    return [run for run in runs if column in run.cycles]


def _drawn(run: Run) -> tuple[int, int]:
    """Return the number of a run's split, and that of the round of folds that it is in, or the same without folds.

    No two splits of a round test the same group, nor do two that leave out a type each. Where the data give the
    split there is one.
    """
    number = 0 if run.split_is_given else run.split
    folds = run.config.get("data.split.folds")
    if run.config.get("data.split.by"):
        return 0, number
    return (number // int(folds) if folds else number), number


@dataclass(frozen=True)
class _Counted:
    """Counts of a split (mean over its runs), or of several.

    Attributes:
        wrong: decisions that are wrong.
        of: decisions.
        effective: number of independent ones; see ``inspection.line.effective_size``.
        groups: that they are of.
    """

    wrong: float
    of: float
    effective: float
    groups: float

    @classmethod
    def of_runs(cls, rows: Sequence[pd.Series], level: Level, wrong: str, of: str) -> _Counted:
        """Return the counts of runs of one split: their design effects are averaged."""

        def column(name: str) -> FloatArray:
            return np.array([row[f"test/{level}/{name}"] for row in rows], dtype=np.float64)

        number = float(column(of).mean())
        if level == "group":
            return cls(float(column(wrong).mean()), number, number, number)
        effective = 1 / float((1 / column(f"{of}_effective")).mean())
        return cls(float(column(wrong).mean()), number, effective, float(column(f"{of}_groups").mean()))

    @classmethod
    def sum(cls, several: Sequence[_Counted]) -> _Counted:
        """Return the counts of splits that test other groups: variances of their counts add up."""
        number = sum(each.of for each in several)
        effective = number**2 / sum(each.of**2 / each.effective for each in several)
        return cls(sum(each.wrong for each in several), number, effective, sum(each.groups for each in several))

    @classmethod
    def mean(cls, several: Sequence[_Counted]) -> _Counted:
        """Return the counts of splits that may test the same groups: no more are counted than one has."""
        return cls(*(float(np.mean([getattr(each, name.name) for each in several])) for name in fields(cls)))


def _rate(
    rows: Iterable[tuple[Run, pd.Series]], level: Level, wrong: str, of: str, confidence: float
) -> Rate | None:
    rounds: defaultdict[int, defaultdict[int, list[pd.Series]]] = defaultdict(lambda: defaultdict(list))
    for run, row in rows:
        if row[f"test/{level}/{of}"] > 0 and math.isfinite(row[f"test/{level}/{wrong}"]):
            drawn, split = _drawn(run)
            rounds[drawn][split].append(row)
    if not rounds:
        return None
    kept = _fullest(rounds.values())
    counted = _Counted.mean(
        [_Counted.sum([_Counted.of_runs(same, level, wrong, of) for same in splits.values()]) for splits in kept]
    )
    if level == "group":
        low, high = exact(counted.wrong, counted.of, confidence)
    else:
        low, high = clustered(counted.wrong, counted.of, counted.effective, counted.groups, confidence)
    several = sum(len(splits) for splits in kept)
    every = [float(row[f"test/{level}/{wrong}"]) for splits in kept for same in splits.values() for row in same]
    return Rate(counted.wrong, counted.of, low, high, min(every), max(every), len(every), several)


def _fullest(
    rounds: Iterable[Mapping[int, list[pd.Series]]],
) -> list[Mapping[int, list[pd.Series]]]:
    """Return the rounds of most splits: those of a round that has only begun would say less than the others."""
    known = list(rounds)
    most = max(map(len, known))
    return [splits for splits in known if len(splits) == most]


def sentence(found: Decided, confidence: float) -> str:
    """Return «margin, with 112 labels, at 5 % overkill: 2 of 41 faulty groups escape (4.9 %, …); …»."""
    what = WHAT[found.level]
    start = f"{found.strategy}, with {found.labelled} labels, at {found.overkill:g} % overkill: "
    parts = []
    if found.escapes is not None:
        parts.append(_wrong(found.escapes, f"faulty {what} escape", confidence))
    if found.rejects is not None:
        parts.append(_wrong(found.rejects, f"fault-free {what} are rejected", confidence))
    return f"{start}{'; '.join(parts) or 'nothing can be said'}."


def _wrong(rate: Rate, what: str, confidence: float) -> str:
    several = rate.runs > 1
    mean = f" in the mean of {words.seeds_text(rate.runs)}" if rate.splits == 1 and several else ""
    if rate.splits > 1:
        mean = f" in the mean of {rate.runs} runs on {rate.splits} splits"
    spread = ""
    if several:
        same = f", {count(rate.least)} in each run"
        spread = same if rate.least == rate.most else f", {count(rate.least)} to {count(rate.most)} in single runs"
    ends = (
        ", no interval: all are of one group"
        if math.isnan(rate.low)
        else f", {words.level(confidence)} interval {words.rate_range(rate.low, rate.high)}"
    )
    return f"{counts(rate)} {what}{mean} ({words.rate(rate.share)}{ends}{spread})"


def count(value: float) -> str:
    """Return a count, which as a mean over runs may have a decimal."""
    return f"{value:.0f}" if abs(value - round(value)) < 0.05 else f"{value:.1f}"


def counts(rate: Rate) -> str:
    """Return ``2.3 of 41``; the number of images (groups) is whole, though a mean over splits has decimals."""
    return f"{count(min(rate.wrong, round(rate.of)))} of {rate.of:.0f}"


def table(found: Sequence[Decided]) -> pd.DataFrame:
    """Return what is known of decisions, a row a strategy and level, in numbers."""
    rows = []
    for each in found:
        row: dict[str, object] = {
            "strategy": each.strategy,
            "labelled": each.labelled,
            "decided on": WHAT[each.level],
            "overkill_percent": each.overkill,
            "validation_good": each.good,
        }
        for name, rate in (("escapes", each.escapes), ("rejects", each.rejects)):
            for key in ("wrong", "of", "share", "low", "high"):
                row[f"{name}_{key}"] = math.nan if rate is None else getattr(rate, key)
        rows.append(row)
    return pd.DataFrame(rows)


def shown(found: Sequence[Decided]) -> pd.DataFrame:
    """Return the same as text for the page."""
    rows = []
    for each in found:
        row = {"strategy": each.strategy, "decided on": WHAT[each.level]}
        for name, rate in (("escape", each.escapes), ("overkill", each.rejects)):
            text = words.NOTHING
            if rate is not None:
                ends = "" if math.isnan(rate.low) else f" [{words.rate_range(rate.low, rate.high)}]"
                text = f"{counts(rate)}, {words.rate(rate.share)}{ends}"
            row[name] = text
        rows.append(row)
    return pd.DataFrame(rows)


def calibration(comparison: Comparison, cycle: int = -1) -> pd.DataFrame:
    """Return calibration error before and after scaling, and temperature: mean over runs, a row a strategy."""
    rows = []
    for strategy, runs in comparison.runs.items():
        if known := _with(runs.values(), CALIBRATION["ECE"]):
            means = {
                name: float(np.mean([run.values(column)[cycle] for run in known]))
                for name, column in CALIBRATION.items()
            }
            rows.append({"strategy": strategy, **means})
    return pd.DataFrame(rows)


def calibration_text(found: pd.DataFrame, strategies: Sequence[str]) -> str:
    """Return a sentence on how far probabilities are off after the last cycle; "" where none of them is known.

    Args:
        found: what ``calibration`` gives.
        strategies: those that are named, as far as they are there.
    """
    known = {row["strategy"]: row for _, row in found.iterrows() if math.isfinite(row["ECE"])}
    parts: list[str] = []
    for name in (name for name in strategies if name in known):
        trained, then = (100 * known[name][column] for column in ("ECE", "ECE, scaled"))
        if parts:
            also = "" if math.isnan(then) else f" ({then:.1f} once scaled)"
            parts.append(f"those of {name} by {trained:.1f}{also}")
        else:
            also = "" if math.isnan(then) else f"; {then:.1f} once scaled by the validation temperature"
            parts.append(f"of {name} are off by {trained:.1f} points in the mean (ECE{also})")
    return f"After the last cycle probabilities {', '.join(parts)}." if parts else ""


def reliability_curves(comparison: Comparison) -> dict[str, dict[str, Reliability]]:
    """Return strategy → ``as trained`` and ``scaled`` → reliability on the test images after the last cycle.

    Pooled over runs and, of a multilabel task, over labels. Runs without a readable predictions.npz are left out.
    """
    found: dict[str, dict[str, list[Reliability]]] = {}
    for strategy, runs in comparison.runs.items():
        for run in _with(runs.values(), CALIBRATION["ECE"]):
            if (predicted := read(run)) is None:
                continue
            probabilities, values = predicted.probabilities, predicted.targets
            kind: Kind = "multiclass" if predicted.exclusive else "multilabel"
            heat = float(run.values(CALIBRATION["temperature"])[-1])
            for name, each in (("as trained", probabilities), ("scaled", scaled(kind, probabilities, heat))):
                found.setdefault(strategy, {}).setdefault(name, []).extend(reliabilities(kind, each, values))
    return {strategy: {name: pooled(several) for name, several in both.items()} for strategy, both in found.items()}


def curves(comparison: Comparison, columns: Mapping[str, str] = CURVES) -> dict[str, dict[str, FloatArray]]:
    """Return title → strategy → values (S, T) of the runs that have the figure, for each column that exists.

    What is NaN in every run and cycle is left out.

    Args:
        comparison: the runs.
        columns: title → column of cycles.csv.
    """
    found: dict[str, dict[str, FloatArray]] = {}
    for title, column in columns.items():
        for strategy, runs in comparison.runs.items():
            if known := _with(runs.values(), column):
                values = np.stack([run.values(column) for run in known])
                if np.isfinite(values).any():
                    found.setdefault(title, {})[strategy] = values
    return found


def left_out(comparison: Comparison) -> list[str]:
    """Return why figures of an inspection line are absent, in sentences; none where all are there."""
    runs = [run for by_seed in comparison.runs.values() for run in by_seed.values()]
    known = _with(runs, CALIBRATION["ECE"])
    without = [run for run in runs if CALIBRATION["ECE"] not in run.cycles]
    reasons = [_why_unknown(without, len(runs))]
    if known:
        reasons += _why_in_part(known)
    return [reason for reason in reasons if reason]


def _why_unknown(runs: Sequence[Run], every: int) -> str:
    if not runs:
        return ""
    some, (were, have) = _some(len(runs), every), ("was", "has") if len(runs) == 1 else ("were", "have")
    if not runs[0].config.get("score_validation", True):
        return f"{some} did not score the validation split (score_validation=false), which thresholds come from."
    if "inspection.overkill" not in runs[0].config:
        return (
            f"{some} {were} done by an earlier version, which kept no figures of an inspection line: do them again "
            "with force=true, or in another study."
        )
    return f"{some} {have} no validation or no test images, so that no figure of an inspection line is known."


def _some(count: int, every: int) -> str:
    """Return ``1 of 4 runs`` or, of all, ``The runs``."""
    return f"{count} of {every} runs" if count < every else "The run" if every == 1 else "The runs"


def _why_in_part(known: Sequence[Run]) -> list[str]:
    run = known[0]
    reasons = []
    if begun := sum(bool(run.cycles[CALIBRATION["ECE"]].isna().any()) for run in known):
        were, lack = ("was", "lacks") if begun == 1 else ("were", "lack")
        some = _some(begun, len(known))
        reasons.append(f"{some} {were} begun by an earlier version, and {lack} the first cycles.")
    hottest = sum(float(run.values(CALIBRATION["temperature"])[-1]) in (COLDEST, HOTTEST) for run in known)
    if hottest:
        reasons.append(
            f"Temperature: at an end of its range ({COLDEST:g} to {HOTTEST:g}) in {hottest} of "
            f"{words.runs_text(len(known))}. A few validation images that are wrong beyond doubt, or none that is "
            "wrong, decide it then, and scaling by it says nothing of the others."
        )
    if "test/point/faulty" not in run.cycles:
        return [
            *reasons,
            "No class is known to be fault-free (data.source.good_class): nothing escapes or is overkill.",
        ]
    if "test/group/faulty" not in run.cycles:
        reasons.append("Each image is a group of its own, so that decisions on groups are those on images.")
    for level, what in WHAT.items():
        if f"test/{level}/faulty" not in run.cycles:
            continue
        reasons += _thresholds(known, level)
        for rate, name, column in (("escape rate", "faulty", "faulty"), ("overkill rate", "fault-free", "good")):
            if none := [split for split, number in _numbers(known, f"test/{level}/{column}").items() if not number]:
                where = _of_splits(none, known)
                reasons.append(f"Decisions on {what}: no {rate}{where}, for none of the test {what} is {name}.")
    return reasons


def _thresholds(known: Sequence[Run], level: Level) -> list[str]:
    """Return why thresholds are absent, or let nothing be rejected, of the splits of which that is so."""
    good, percent, what = _numbers(known, f"val/{level}/good"), overkill(known[0]), WHAT[level]
    reasons = []
    if none := [split for split, number in good.items() if not number]:
        where = _of_splits(none, known)
        reasons.append(
            f"Decisions on {what}: no threshold{where}, for none of the validation {what} is fault-free."
        )
    few = {split: number for split, number in good.items() if number and int(percent / 100 * number + 1e-9) < 1}
    if few and percent > 0:
        low, high = min(few.values()), max(few.values())
        reasons.append(
            f"Decisions on {what}: {percent:g} % of {_good_text(low, high, level)} is less than one, so "
            f"that the threshold lets none of them be rejected{_of_splits(few, known)}."
        )
    return reasons


def _good_text(low: int, high: int, level: Level) -> str:
    """Return ``1 to 2 fault-free validation groups``."""
    if low == high:
        return words.counted(high, f"fault-free validation {WHAT[level].removesuffix('s')}")
    return f"{low} to {high} fault-free validation {WHAT[level]}"


def why_not_groups(comparison: Comparison) -> str:
    """Return why no threshold for groups can be had, and what would give one; "" where too few are not the reason.

    Of runs whose images are groups of their own, or that keep no such figures, there is nothing to say.
    """
    runs = [run for by_seed in comparison.runs.values() for run in by_seed.values()]
    known = _with(runs, "val/group/good")
    if not known:
        return ""
    good, percent = _numbers(known, "val/group/good").values(), overkill(known[0])
    if not any(good):
        return "none of the validation groups is fault-free"
    few = [number for number in good if percent / 100 * number + 1e-9 < 1]
    if percent <= 0 or not few:
        return ""
    more = "" if known[0].split_is_given else ", or a larger data.split.validation"
    return (
        f"{percent:g} % of {_good_text(min(few), max(few), 'group')} is less than one, and it takes "
        f"{math.ceil(100 / percent - 1e-9)} of them (more groups{more})"
    )


def _numbers(known: Sequence[Run], column: str) -> dict[int, int]:
    """Return split → number of images (groups) after the last cycle, which all runs of a split share."""
    return {run.split: int(run.values(column)[-1]) for run in known}


def _of_splits(some: Collection[int], known: Sequence[Run]) -> str:
    every = len({run.split for run in known})
    return "" if len(some) == every else f" in {len(some)} of {every} splits"
