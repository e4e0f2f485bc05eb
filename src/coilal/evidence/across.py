"""Across models and data sets: the fewest labels for a target, and ranks over settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from coilal.evidence import plots, words
from coilal.evidence.comparison import Comparison
from coilal.evidence.crossing import first_crossing, interval, resample_weights
from coilal.evidence.ranks import DEMSAR_SETTINGS, MIN_SETTINGS, rank_strategies
from coilal.evidence.report_settings import ReportSettings
from coilal.evidence.savings import targets_for
from coilal.evidence.sections import Picture, Section, write_table
from coilal.run_directory.learning_curve import readable


def across_sections(comparisons: Sequence[Comparison], settings: ReportSettings, folder: Path) -> list[Section]:
    """Return the sections that span several comparisons."""
    return [_fewest(comparisons, settings, folder), *_ranked(comparisons, settings, folder)]


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
    baselines = [member.curves(member.baseline, settings.column) for member in members if member.has_baseline]
    if settings.targets or not baselines:
        return settings.targets
    return targets_for(max(baselines, key=lambda curves: curves.mean(axis=0).max()), settings)


def _needed(comparison: Comparison, strategy: str, target: float, settings: ReportSettings) -> dict[str, object]:
    curves = comparison.curves(strategy, settings.column)
    weights = resample_weights(len(curves), settings.resamples)
    labels = first_crossing(comparison.labelled, weights @ curves, target).labels
    low, high = interval(labels[1:], labels[1:], len(curves), settings.confidence)
    return {
        "model": comparison.model,
        "strategy": strategy,
        "seeds": len(curves),
        "labels": float(labels[0]),
        "low": low,
        "high": high,
        "most": int(comparison.labelled[-1]),
        "least": int(comparison.labelled[0]),
    }


def _fewest(comparisons: Sequence[Comparison], settings: ReportSettings, folder: Path) -> Section:
    data = fewest_labels(comparisons, settings)
    section = Section(
        "Which model and strategy needs the fewest labels?",
        f"Labels at which the mean curve ({readable(settings.column)}) first reaches a target that is common to "
        "all models of a task; bootstrap intervals from six seeds on. Overlapping intervals are no ranking.",
    )
    if data.empty:
        section.note = "There is no target: no baseline's curve rises, and none is set (targets)."
        return section
    write_table(folder / "fewest_labels.csv", data)
    text = [_labels(row) for _, row in data.iterrows()]
    name = data["model"] + " · " + data["strategy"] + " (" + data["seeds"].map(words.seeds_text) + ")"
    for (study, task), part in data.assign(text=text, name=name).groupby(["study", "task"], sort=False):
        table = part.pivot_table(index="name", columns="target", values="text", aggfunc="first", sort=False)
        table.columns = [f"{readable(settings.column)} {target:.3g}" for target in table.columns]
        section.tables.append(("fewest_labels", table.reset_index(names=f"{study} · {task}")))
    return section


def _labels(row: pd.Series) -> str:
    shown = words.labels(row["labels"], row["most"], row["least"])
    if np.isnan(row["low"]):
        return shown
    return f"{shown} [{', '.join(words.labels(row[end], row['most'], row['least']) for end in ('low', 'high'))}]"


def _ranked(comparisons: Sequence[Comparison], settings: ReportSettings, folder: Path) -> list[Section]:
    """Return a critical-difference section for each task, and one for all tasks together."""
    scores = {
        (c.study, c.task, c.model): {
            strategy: float(np.mean([run.aulc(settings.column) for run in runs.values()]))
            for strategy, runs in c.runs.items()
        }
        for c in comparisons
    }
    tasks = sorted({task for _, task, _ in scores})
    parts = {task: {key: value for key, value in scores.items() if key[1] == task} for task in tasks}
    if len(tasks) > 1:
        parts["all tasks"] = scores
    return [_ranking(name, part, settings, folder) for name, part in parts.items()]


def _ranking(
    name: str, scores: Mapping[tuple[str, str, str], Mapping[str, float]], settings: ReportSettings, folder: Path
) -> Section:
    title = f"Ranks over settings: {name}"
    table = pd.DataFrame.from_dict({"/".join(key): value for key, value in scores.items()}, orient="index")
    common = table.dropna(axis=1)
    dropped = [str(strategy) for strategy in table if strategy not in common]
    note = (
        "A setting is a model, task and data set; its seeds are averaged, for they are no settings of their own. "
    )
    if dropped:
        note += f"Only strategies that every setting has; left out: {words.listed(dropped)}. "
    if len(common) < MIN_SETTINGS or common.shape[1] < 3:
        note += (
            f"There are {len(common)} settings and {common.shape[1]} common strategies: too few to rank "
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
    return Section(title, note, [Picture(stem, f"Critical-difference diagram, {name}", svg)])
