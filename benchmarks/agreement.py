"""Do two contestants learn the same? Macro-F1 of the same seeds at the same number of labelled images."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from benchmarks.report import Cycle, Report

ABSOLUTE = 0.05
CONFIDENCE = 0.99

RULE = (
    "Two contestants agree if the mean difference of their macro-F1 after the last cycle, same seeds paired, is "
    f"zero within its {CONFIDENCE:.0%} confidence interval (Student's t), and at most {ABSOLUTE} in any case. A "
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
    return Agreement(labelled, len(seeds), statistics.mean(differences), noise(differences))


def noise(differences: Sequence[float]) -> float:
    """Return how far the mean of paired differences may be from zero: the interval's half, at most ``ABSOLUTE``."""
    if len(differences) < 2:
        return ABSOLUTE
    half = stats.sem(differences) * stats.t.ppf((1 + CONFIDENCE) / 2, len(differences) - 1)
    return min(ABSOLUTE, float(half))


def averaged(reports: Sequence[Report]) -> Report:
    """Return a report of each cycle's macro-F1, on average over repeats of the same work."""
    found: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
    for report in reports:
        for cycle in report.cycles:
            found[cycle.seed, cycle.labelled].append(cycle.macro_f1)
    return Report([Cycle(seed, count, macro_f1=statistics.mean(f1)) for (seed, count), f1 in found.items()])
