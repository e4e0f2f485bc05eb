"""The report as one HTML file that needs no other file and no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from coilal.common.pages import templates_of
from coilal.evidence.answer import Answer
from coilal.evidence.reading import Finding
from coilal.evidence.sections import Section


@dataclass(frozen=True)
class Chapter:
    """One comparison on the page.

    Attributes:
        title: model, task and, where there are several, study.
        anchor: its name in links.
        facts: runs, seeds, labelled counts, data, in one line.
        folder: where its figures and tables lie, relative to the page.
        answer: what it says on the research questions.
        summary: the answer as a table, a row a strategy; None where there is nothing to compare.
        sections: figures and tables.
    """

    title: str
    anchor: str
    facts: str
    folder: str
    answer: Answer
    summary: pd.DataFrame | None
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
    """Return the page.

    Args:
        title: heading.
        facts: name → value, shown below the heading.
        chapters: the comparisons.
        labelled: sections on labelling sessions.
        across: sections over several comparisons.
        findings: what the reader must know about the runs.
        baseline: the strategy that the others are compared with.
    """
    template = templates_of("coilal.evidence").get_template("report.html.j2")
    return template.render(
        title=title,
        facts=facts,
        chapters=chapters,
        labelled=labelled,
        across=across,
        findings=findings,
        baseline=baseline,
    )
