"""The report as one HTML file that needs no other file and no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from coilal.common.pages import templates_of
from coilal.evidence.answer import Answer
from coilal.evidence.desk import Section
from coilal.evidence.headline import Headline
from coilal.evidence.reading import Finding
from coilal.evidence.words import unbroken

GLOSSARY: Mapping[str, str] = {
    "active learning, random": "The model says which images are to be labelled next; random draws them by lot.",
    "macro F1": "F1, the harmonic mean of precision and recall, of each class (label), and of these the plain "
    "mean: a rare fault counts as much as a frequent class. 0 is worst, 1 best.",
    "AULC": "Area under the learning curve, divided by its width: the mean of the metric over all labelled counts.",
    "Δ": "AULC of a strategy − AULC of the baseline, of runs with the same split, seed and starting set.",
    "δ": "The loss of AULC that is still called «not worse»; set in conf/report.yaml before results are looked at.",
    "interval": "Where a value lies that was estimated from few runs, in 95 of 100 such studies (or as is said). "
    "Of means it is Student's t interval, of labels and prices a bootstrap's, which draws runs anew.",
    "p, Holm": "p: how often chance alone would show as large a difference. Who compares many strategies finds "
    "some difference by chance; Holm's correction raises p so that this stays as rare as with one.",
    "not shown, undecided": "The runs are too few, or too different, to say; it does not mean «equal».",
    "escape, overkill": "Share of faulty images that pass as good; share of good images that are rejected.",
    "labels saved": "1 − labels with the strategy / labels with the baseline, for the same level of the metric. "
    "«> N»: the level was not reached with N labels.",
    "break-even price": "The price of a label from which a strategy costs less than the baseline.",
    "κ": "How many times longer a chosen image takes to label than a random one.",
}
"""What terms of the page mean, for readers who do not test."""
MOST_LETTERS = 40
"""Of a cell that stays in one line."""


@dataclass(frozen=True)
class Chapter:
    """One comparison on the page.

    Attributes:
        title: model, task and, where there are several, study.
        anchor: its name in links.
        facts: runs, seeds, labelled counts, data, in one line.
        folder: where its figures and tables lie, relative to the page.
        headline: what is seen at first.
        answer: what it says on the research questions.
        sections: figures and tables.
    """

    title: str
    anchor: str
    facts: str
    folder: str
    headline: Headline
    answer: Answer
    sections: Sequence[Section]


def render(
    title: str,
    facts: Mapping[str, str],
    chapters: Sequence[Chapter],
    labelled: Sequence[Section],
    across: Sequence[Section],
    findings: Sequence[Finding],
    baseline: str,
) -> str:
    """Return the page: what is seen at first, then what engineers ask, then the longer tables.

    Args:
        title: heading.
        facts: name → value, shown below the heading.
        chapters: the comparisons.
        labelled: sections on labelling sessions.
        across: sections over several comparisons.
        findings: what the reader must know about the runs.
        baseline: the strategy that the others are compared with.
    """
    templates = templates_of("coilal.evidence")
    templates.filters |= {"unbroken": unbroken, "wordy": wordy}
    template = templates.get_template("report.html.j2")
    return template.render(
        title=title,
        facts=facts,
        chapters=chapters,
        labelled=labelled,
        across=across,
        findings=findings,
        baseline=baseline,
        overview=overview(chapters),
        glossary=GLOSSARY,
    )


def wordy(table: pd.DataFrame) -> list[bool]:
    """Return of each column of a table whether it holds sentences, which are wrapped."""
    return [bool((column.astype(str).str.len() > MOST_LETTERS).any()) for _, column in table.items()]


def overview(chapters: Sequence[Chapter]) -> pd.DataFrame | None:
    """Return a table over several comparisons, the best strategy of each; None with one."""
    if len(chapters) < 2:
        return None
    rows = []
    for chapter in chapters:
        row = chapter.headline.row
        labels = next((f"{key.removeprefix('labels for ')}: {row[key]}" for key in row if key[:6] == "labels"), "")
        shown = {key: value for key, value in row.items() if not key.startswith("labels")}
        rows.append({"comparison": chapter.title, **shown, "labels": labels})
    return pd.DataFrame(rows).fillna("–")
