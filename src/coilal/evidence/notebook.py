"""What the notebooks call: a study in one object, and its figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from coilal.common.types import UserError
from coilal.evidence import plots
from coilal.evidence.comparison import Comparison, compare
from coilal.evidence.curves import band, difference_curves, mean_curves, plain_curve, whole_pool
from coilal.evidence.reading import Finding, Run, find_studies, read_runs
from coilal.evidence.report_settings import ReportSettings
from coilal.run_directory.learning_curve import readable


@dataclass(frozen=True)
class Study:
    """The comparisons of one or several studies.

    Attributes:
        comparisons: one for each study, task and model.
        found: what is missing, unequal or mixed.
    """

    comparisons: Sequence[Comparison]
    found: Sequence[Finding]

    @property
    def overview(self) -> pd.DataFrame:
        """Return the number of runs of each strategy, a row a comparison."""
        rows = {c.name: {name: len(runs) for name, runs in c.runs.items()} for c in self.comparisons}
        return pd.DataFrame.from_dict(rows, orient="index").fillna(0).astype(int)

    @property
    def findings(self) -> pd.DataFrame:
        """Return what is missing, unequal or mixed."""
        return pd.DataFrame(self.found, columns=["where", "what", "consequence"])

    def choose(self, task: str | None = None, model: str | None = None) -> Comparison:
        """Return the first comparison of a task and a model; None means any.

        Raises:
            UserError: there is none.
        """
        for comparison in self.comparisons:
            if task in (None, comparison.task) and model in (None, comparison.model):
                return comparison
        there = ", ".join(comparison.name for comparison in self.comparisons)
        raise UserError(f"no finished runs of task {task} and model {model}; there are {there}.")


def load(outputs: Path, studies: Sequence[str], settings: ReportSettings) -> Study:
    """Read the runs of studies.

    Raises:
        UserError: there are none.
    """
    read = list(read_runs(find_studies(outputs, studies), settings.column))
    runs = [item for item in read if isinstance(item, Run)]
    comparisons, findings = compare(runs, settings.baseline)
    return Study(comparisons, [*(item for item in read if isinstance(item, Finding)), *findings])


def each_run(comparison: Comparison, strategy: str, settings: ReportSettings) -> Figure:
    """Draw each run of a strategy, and their mean."""
    curves = {"mean": plain_curve(comparison, comparison.unit_curves(strategy, settings.column), "mean")}
    for (split, seed), run in comparison.runs[strategy].items():
        name = f"seed {seed}" if len(comparison.splits) < 2 else f"split {split}, seed {seed}"
        label = f"{name} (AULC {run.aulc(settings.column):.3f})"
        curves[name] = plain_curve(comparison, run.values(settings.column)[None], label)
    return _figure(comparison, curves, settings, strategy, None)


def learning_curves(comparison: Comparison, settings: ReportSettings) -> Figure:
    """Draw the mean learning curve of each strategy, as the report does."""
    line = whole_pool(comparison, settings.column)
    return _figure(comparison, mean_curves(comparison, settings), settings, band(comparison, settings), line)


def differences(comparison: Comparison, settings: ReportSettings) -> Figure:
    """Draw the paired difference of each active strategy to the baseline, as the report does."""
    curves = difference_curves(comparison, settings)
    zero = (0.0, comparison.baseline)
    return _figure(comparison, curves, settings, band(comparison, settings), zero, bounded=False)


def _figure(
    comparison: Comparison,
    curves: dict[str, plots.Curve],
    settings: ReportSettings,
    title: str,
    line: tuple[float, str] | None,
    bounded: bool = True,
) -> Figure:
    looks = plots.looks_of(comparison.baseline, curves)
    with plots.style():
        return plots.curves_figure(curves, looks, readable(settings.column), title, line, bounded)
