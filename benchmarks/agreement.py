"""Do two contestants learn the same? Macro-F1 of the same seeds at the same number of labelled images."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from benchmarks.report import Report

ABSOLUTE = 0.05
STANDARD_ERRORS = 3

RULE = (
    f"Two contestants agree if macro-F1 of the same seeds differs on average by at most {ABSOLUTE} or by at most "
    f"{STANDARD_ERRORS} standard errors of the paired differences, whichever is larger, after the last cycle. A "
    "contestant that ran one seed only is compared after the first cycle, where all have the same labelled images."
)


@dataclass(frozen=True)
class Agreement:
    """A comparison.

    Attributes:
        labelled: number of labelled images at which it was made.
        seeds: number of seeds compared.
        difference: mean macro-F1 of the contestant less that of the reference.
        tolerance: largest difference that counts as noise.
    """

    labelled: int
    seeds: int
    difference: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Return whether the difference is noise."""
        return abs(self.difference) <= self.tolerance

    def __str__(self) -> str:
        """Return the numbers."""
        seeds = f"{self.seeds} seed{'s' if self.seeds > 1 else ''}"
        return f"{self.difference:+.3f}, at most ±{self.tolerance:.3f}, at {self.labelled} labelled, {seeds}"


def agreement(report: Report, reference: Report) -> Agreement:
    """Compare a contestant with the reference, which ran at least as much."""
    several = len({cycle.seed for cycle in report.cycles}) > 1
    counts = [cycle.labelled for cycle in report.cycles]
    labelled = max(counts) if several else min(counts)
    ours, theirs = (
        {cycle.seed: cycle.macro_f1 for cycle in one.cycles if cycle.labelled == labelled}
        for one in (report, reference)
    )
    seeds = sorted(ours.keys() & theirs.keys())
    differences = [ours[seed] - theirs[seed] for seed in seeds]
    error = statistics.stdev(differences) / math.sqrt(len(seeds)) if len(seeds) > 1 else 0.0
    return Agreement(labelled, len(seeds), statistics.mean(differences), max(ABSOLUTE, STANDARD_ERRORS * error))
