"""Across models and data sets: the fewest labels for a target, and ranks over settings."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from coilal.evidence import plots, words
from coilal.evidence.comparison import Comparison
from coilal.evidence.crossing import first_crossing, interval
from coilal.evidence.desk import Picture, Section, write_table
from coilal.evidence.label_noise import losses
from coilal.evidence.ranks import DEMSAR_SETTINGS, MIN_SETTINGS, rank_strategies
from coilal.evidence.report_settings import ReportSettings
from coilal.evidence.savings import targets_for
from coilal.run_directory.learning_curve import readable


def across_sections(comparisons: Sequence[Comparison], settings: ReportSettings, folder: Path) -> list[Section]:
    """Return the sections that span several comparisons."""
    return [
        *_fewest(comparisons, settings, folder),
        *_noise(comparisons, settings, folder),
        *_ranked(comparisons, settings, folder),
    ]


def fewest_labels(comparisons: Sequence[Comparison], settings: ReportSettings) -> pd.DataFrame:
    """Return the labels that each model and strategy needs for each target of its study and task.

    Targets are common to all models of a study and task: those of the settings, else shares of the rise of
    the model whose baseline reaches most. Sorted by labels; infinite where the target is not reached.
    """

    def problem(comparison: Comparison) -> tuple[str, str]:
        return comparison.study, comparison.task

    rows = []
    for (study, task), group in groupby(sorted(comparisons, key=problem), key=problem):
        members = list(group)
        for target in _common_targets(members, settings):
            for comparison in members:
                for strategy in comparison.strategies:
                    found = _needed(comparison, strategy, target, settings)
                    rows.append({"study": study, "task": task, "target": target, **found})
    order = ["study", "task", "target", "labels", "model", "strategy"]
    return pd.DataFrame(rows).sort_values(order, ignore_index=True) if rows else pd.DataFrame()


def _common_targets(members: Sequence[Comparison], settings: ReportSettings) -> tuple[float, ...]:
    baselines = [member.unit_curves(member.baseline, settings.column) for member in members if member.has_baseline]
    if settings.targets or not baselines:
        return settings.targets
    return targets_for(max(baselines, key=lambda curves: curves.mean(axis=0).max()), settings)


def _needed(comparison: Comparison, strategy: str, target: float, settings: ReportSettings) -> dict[str, object]:
    curves = comparison.curves(strategy, settings.column)
    units = comparison.units(comparison.runs[strategy])
    labels = first_crossing(comparison.labelled, units.weights(settings.resamples) @ curves, target).labels
    low, high = interval(labels[1:], labels[1:], units, settings.confidence)
    return {
        "model": comparison.model,
        "strategy": strategy,
        "runs": words.units_text(units),
        "labels": float(labels[0]),
        "low": low,
        "high": high,
        "most": int(comparison.labelled[-1]),
        "least": int(comparison.labelled[0]),
    }


def _fewest(comparisons: Sequence[Comparison], settings: ReportSettings, folder: Path) -> list[Section]:
    """Return which model and strategy needs the fewest labels, of each task that several models have learnt."""
    models = Counter((each.study, each.task) for each in comparisons)
    several = [each for each in comparisons if models[each.study, each.task] > 1]
    if not several:
        return []
    data = fewest_labels(several, settings)
    section = Section(
        "Which model and strategy needs the fewest labels?",
        f"Labels at which the mean curve ({readable(settings.column)}) first reaches a target that is common to "
        "all models of a task; bootstrap intervals from six seeds, or five splits, on. Overlapping "
        "intervals are no ranking.",
    )
    if data.empty:
        section.note = "There is no target: no baseline's curve rises, and none is set (targets)."
        return [section]
    write_table(folder / "fewest_labels.csv", data)
    text = [_labels(row) for _, row in data.iterrows()]
    name = data["model"] + " · " + data["strategy"] + " (" + data["runs"] + ")"
    for (study, task), part in data.assign(text=text, name=name).groupby(["study", "task"], sort=False):
        table = part.pivot_table(index="name", columns="target", values="text", aggfunc="first", sort=False)
        table.columns = [f"{readable(settings.column)} {target:.3g}" for target in table.columns]
        section.tables.append(("fewest_labels", table.reset_index(names=f"{study} · {task}")))
    return [section]


def _labels(row: pd.Series) -> str:
    shown = words.labels(row["labels"], row["most"], row["least"])
    if np.isnan(row["low"]):
        return shown
    return f"{shown} [{', '.join(words.labels(row[end], row['most'], row['least']) for end in ('low', 'high'))}]"


def _with_interval(value: float, low: float, high: float) -> str:
    return (
        words.signed(value)
        if math.isnan(low)
        else f"{words.signed(value)} {words.interval(low, high, words.signed)}"
    )


def _noise(comparisons: Sequence[Comparison], settings: ReportSettings, folder: Path) -> list[Section]:
    """Return which strategies suffer from wrong labels, where studies differ in their oracle alone."""
    found = losses(comparisons, settings)
    if not found:
        return []
    data = pd.DataFrame([vars(loss) for loss in found])
    write_table(folder / "label_noise.csv", data)
    shown = pd.DataFrame(
        {
            "study": data["study"],
            "task · model": data["task"] + " · " + data["model"],
            "wrong labels": [words.rate(loss.share) for loss in found],
            "strategy": data["strategy"],
            "pairs": data["pairs"],
            "AULC": data["aulc"].map(words.number),
            "lost": [_with_interval(loss.loss, loss.low, loss.high) for loss in found],
            f"more than {settings.baseline}": [
                _with_interval(loss.beyond, loss.beyond_low, loss.beyond_high) for loss in found
            ],
            "p Holm": data["p_holm"].map(words.p_value),
            "suffers": [text or words.NOTHING for text in data["suffers"]],
        }
    )
    clean = words.listed(sorted({loss.against for loss in found}))
    note = (
        f"Studies that differ in the errors of their oracle alone, against the one with the fewest ({clean}). "
        "Lost: AULC there − AULC here, of runs with the same split and seed, with t intervals. More or less than "
        f"{settings.baseline}: paired t-test of the difference of the losses, Holm-corrected over the strategies "
        "of a study. Conclude: which strategies need clean labels. Do not conclude that errors of people cost as "
        "much, who err on what is hard."
    )
    return [Section("Which strategies suffer from wrong labels?", note, tables=[("label_noise", shown)])]


def _ranked(comparisons: Sequence[Comparison], settings: ReportSettings, folder: Path) -> list[Section]:
    """Return a critical-difference section for each task, and one for all tasks together."""
    scores = {
        (c.study, c.task, c.model): {strategy: _score(c, strategy, settings.column) for strategy in c.strategies}
        for c in comparisons
    }
    tasks = sorted({task for _, task, _ in scores})
    parts = {task: {key: value for key, value in scores.items() if key[1] == task} for task in tasks}
    if len(tasks) > 1:
        parts["all tasks"] = scores
    return [_ranking(name, part, settings, folder) for name, part in parts.items()]


def _score(comparison: Comparison, strategy: str, column: str) -> float:
    """Return the mean AULC of a strategy; each split counts the same, however many seeds it has."""
    runs = comparison.runs[strategy]
    areas = np.array([run.aulc(column) for run in runs.values()])
    return float(comparison.units(runs).means(areas).mean())


def _there_are(settings: int, strategies: int) -> str:
    are = "is" if settings == 1 else "are"
    common = words.counted(strategies, "common strategy", "common strategies")
    return f"There {are} {words.counted(settings, 'setting')} and {common}"


def _ranking(
    name: str, scores: Mapping[tuple[str, str, str], Mapping[str, float]], settings: ReportSettings, folder: Path
) -> Section:
    title = f"Ranks over settings: {name}"
    table = pd.DataFrame.from_dict({"/".join(key): value for key, value in scores.items()}, orient="index")
    common = table.dropna(axis=1)
    dropped = [str(strategy) for strategy in table if strategy not in common]
    note = (
        "A setting is a model, task and data set; its seeds and splits are averaged, for they are no settings of "
        "their own. "
    )
    if dropped:
        note += f"Only strategies that every setting has; left out: {words.listed(dropped)}. "
    if len(common) < MIN_SETTINGS or common.shape[1] < 3:
        note += (
            f"{_there_are(*common.shape)}: too few to rank "
            f"({MIN_SETTINGS} settings and 3 strategies at the least; the test is sound from {DEMSAR_SETTINGS} "
            "settings on)."
        )
        return Section(title, note)
    ranking = rank_strategies(common, settings.alpha)
    note += (
        f"{len(common)} settings. Friedman's test (Iman–Davenport): p {words.p_value(ranking.p)}. Strategies "
        "joined by a bar do not differ (Nemenyi, Demšar 2006); CD is the critical difference of mean ranks."
    )
    if len(common) < DEMSAR_SETTINGS:
        note += f" With fewer than {DEMSAR_SETTINGS} settings the test is only roughly right."
    stem = f"ranks_{name.replace(' ', '_')}"
    write_table(folder / f"{stem}.csv", common.reset_index(names="setting"))
    with plots.style():
        svg = plots.save(plots.ranks_figure(ranking), folder / stem)
    reads = (
        "Conclude: which strategies come first over settings like these, the best at the right. Do not conclude "
        "that strategies that a bar joins are equal: so many settings cannot tell them apart. Nor by how much one "
        "is better: ranks do not say."
    )
    return Section(title, note, [Picture(stem, f"Critical-difference diagram, {name}", svg, reads)])
