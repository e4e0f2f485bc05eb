"""The sections of a report page on what models get wrong: the confusion matrix, and single images."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from coilal.evidence import plots, words
from coilal.evidence.desk import Desk, Section
from coilal.evidence.leading import leading
from coilal.evidence.predicted import Predictions, confusion, label_errors, read, surest_mistakes

MOST_IN_MATRIX = 20
"""Classes; the cells of more cannot be read, and the table has them."""
MOST_IN_TABLE = 20
"""Images that the page names; mistakes.csv has all."""


def confusions(desk: Desk) -> Section | None:
    """Return what test images were taken for: by the best strategy, and by the baseline."""
    title = "What is taken for what"
    tables, pictures = [], []
    for strategy in _shown(desk):
        runs = _predictions(desk, strategy)
        if not runs:
            continue
        name = f"confusion_{strategy}"
        if not runs[0].exclusive:
            tables.append(_label_table(desk, strategy, runs))
            continue
        counts, names = confusion(runs), runs[0].names
        table = pd.DataFrame(counts, index=list(names), columns=list(names)).reset_index(names="is \\ taken for")
        tables.append(desk.table(name, table))
        if len(names) <= MOST_IN_MATRIX:
            pictures.append(
                desk.picture(
                    name,
                    plots.confusion_figure(counts, names),
                    f"Confusion matrix of {strategy}",
                    f"{strategy}, test images after the last cycle: share of the row, and images "
                    f"({words.mean_of_runs(len(runs))}). Conclude: which faults are mixed up, and which pass as "
                    "good. Do not conclude much from rows of few images.",
                )
            )
    if not tables:
        return Section(title, "Left out: no run has predictions of test images that can be read (predictions.npz).")
    return Section(
        title, "After the last cycle, of the best strategy by AULC and of the baseline.", pictures, tables
    )


def _label_table(desk: Desk, strategy: str, runs: Sequence[Predictions]) -> tuple[str, pd.DataFrame]:
    data = label_errors(runs)
    shown = data.copy()
    for column in ("images", "found", "missed", "without", "flagged"):
        shown[column] = [f"{value:.1f}".removesuffix(".0") for value in data[column]]
    names = {
        "label": f"{strategy}, {words.mean_of_runs(len(runs))}",
        "without": "images without it",
        "flagged": "of these flagged",
    }
    return desk.table(f"confusion_{strategy}", data, shown.rename(columns=names))


def mistakes(desk: Desk) -> Section | None:
    """Return the test images that the best strategy's models get wrong, the surest first."""
    shown = _shown(desk)[:1]
    runs = [found for strategy in shown for found in _predictions(desk, strategy)]
    if not runs:
        return None
    data = surest_mistakes(runs)
    title = "Surest mistakes"
    name, _ = desk.table("mistakes", data)
    if data.empty:
        return Section(title, f"None: the models of {shown[0]} together get every test image right.")
    first = data.head(MOST_IN_TABLE)
    table = pd.DataFrame(
        {
            "image": first["image"],
            "told": first["label"],
            "predicted": first["prediction"],
            "probability": first["probability"].map(lambda value: words.number(value, 2)),
            "wrong in": [
                f"{wrong} of {words.runs_text(int(runs))}"
                for wrong, runs in zip(first["wrong"], first["runs"], strict=True)
            ],
        }
    )
    lines = {
        str(image): [
            f"told {told}".replace("+", " + "),
            f"predicted {said}".replace("+", " + "),
            f"probability {probability}",
        ]
        for image, told, said, probability in table.iloc[: desk.analysis.settings.gallery, :4].to_numpy()
    }
    return Section(
        title,
        f"Test images that the models of {shown[0]} together get wrong after the last cycle: {len(data)} of "
        f"{len({image for run in runs for image in run.images})}; probability is the mean over the runs that "
        "tested an image. Conclude: what to look at first. A mistake that all runs make surely may be a wrong "
        "label. Do not correct labels of test images because a model disagrees without looking at all of them: "
        "that would flatter the model.",
        tables=[(name, table)],
        rows=[("the surest", cards)] if (cards := desk.cards(lines)) else [],
    )


def _shown(desk: Desk) -> list[str]:
    comparison = desk.comparison
    best = leading(comparison, desk.analysis.settings.column)[:1]
    return [*best, *([comparison.baseline] if comparison.has_baseline else [])]


def _predictions(desk: Desk, strategy: str) -> list[Predictions]:
    """Return the predictions of a strategy's runs; those of other classes than the first are left out."""
    found = [read(run) for run in desk.comparison.runs[strategy].values()]
    there = [run for run in found if run is not None]
    return [run for run in there if run.names == there[0].names and run.exclusive == there[0].exclusive]
