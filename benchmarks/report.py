"""What a contestant reports, and the extrapolation of a report to the work it did not do."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from benchmarks.workload import Workload


@dataclass
class Cycle:
    """One cycle of one seed; times in seconds.

    Attributes:
        seed: seed of the run.
        labelled: labelled images.
        pool: unlabelled images that were scored, 0 after the last cycle.
        macro_f1: on the test split.
        fit_s: training.
        infer_s: scoring of the pool.
        select_s: choosing from the scores.
        evaluate_s: scoring and evaluating test (and validation) split.
    """

    seed: int
    labelled: int
    pool: int = 0
    macro_f1: float = float("nan")
    fit_s: float = 0.0
    infer_s: float = 0.0
    select_s: float = 0.0
    evaluate_s: float = 0.0

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the time of the block to ``<phase>_s``."""
        start = time.perf_counter()
        yield
        name = f"{phase}_s"
        setattr(self, name, getattr(self, name) + time.perf_counter() - start)

    def seconds(self) -> float:
        """Return the time of all phases."""
        return self.fit_s + self.infer_s + self.select_s + self.evaluate_s


@dataclass
class Report:
    """What a contestant did.

    Attributes:
        cycles: every cycle of every seed, in order.
        before: seconds of the phases before the first cycle, by name.
        figures: other numbers, by name.
    """

    cycles: list[Cycle] = field(default_factory=list)
    before: dict[str, float] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Record the time of a phase before the first cycle."""
        start = time.perf_counter()
        yield
        self.before[phase] = time.perf_counter() - start

    def save(self, path: Path) -> None:
        """Write the report as json."""
        path.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a report."""
        values = json.loads(path.read_text())
        return cls([Cycle(**cycle) for cycle in values["cycles"]], values["before"], values["figures"])

    def macro_f1(self, labelled: int) -> list[float]:
        """Return macro-F1 of each seed that came to ``labelled`` images."""
        return [cycle.macro_f1 for cycle in self.cycles if cycle.labelled == labelled]

    def phases(self) -> dict[str, float]:
        """Return the seconds of all phases."""
        names = ("fit", "infer", "select", "evaluate")
        sums = {name: sum(getattr(cycle, f"{name}_s") for cycle in self.cycles) for name in names}
        return {**self.before, **sums}


def extrapolate(report: Report, workload: Workload, wall_s: float, pool: int) -> float:
    """Return the seconds that the whole workload would take, from a report of its first cycles.

    Training is taken to cost the same for each image in each epoch, scoring the same for each image,
    evaluation and selection the same in each cycle; what is left of the measured time is paid once.

    Args:
        report: cycles that were run, each in all its epochs.
        workload: what a whole run does.
        wall_s: measured time of the process.
        pool: images of the pool, labelled or not.
    """
    cycles = report.cycles
    once = wall_s - sum(cycle.seconds() for cycle in cycles)
    scored = [cycle for cycle in cycles if cycle.pool]
    fit = sum(cycle.fit_s for cycle in cycles) / sum(cycle.labelled for cycle in cycles)
    infer = sum(cycle.infer_s for cycle in scored) / sum(cycle.pool for cycle in scored)
    select = sum(cycle.select_s for cycle in scored) / len(scored)
    evaluate = sum(cycle.evaluate_s for cycle in cycles) / len(cycles)
    queried = workload.counts[:-1]
    run = fit * sum(workload.counts) + infer * sum(pool - count for count in queried)
    run += select * len(queried) + evaluate * len(workload.counts)
    return once + len(workload.seeds) * run
