"""The numbers that must be reached, each read off the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.parts import (
    ACTIVEML,
    BAAL,
    BARE_STEP,
    BOUND,
    CACHED,
    COILAL,
    EAGER,
    FIRST,
    FURTHER,
    PLAIN,
    PROCESS,
    STEP,
)
from benchmarks.section import Row, Section


@dataclass(frozen=True)
class Goal:
    """A number with its limit.

    Attributes:
        text: what is measured.
        value: None if it could not be measured.
        limit: the number that must be reached.
        at_most: whether the limit is an upper one.
        unit: of value and limit.
    """

    text: str
    value: float | None
    limit: float
    at_most: bool
    unit: str = "×"

    @property
    def verdict(self) -> str:
        """Return pass, fail or not measured."""
        if self.value is None:
            return "not measured"
        reached = self.value <= self.limit if self.at_most else self.value >= self.limit
        return "pass" if reached else "**fail**"


def goals(sections: Mapping[str, Section]) -> list[Goal]:
    """Return all goals of the parts that were measured."""
    found: list[Goal] = []
    for name, of in (("W1", w1), ("extraction", extraction), ("further", further), ("W2", w2), ("W3", w3)):
        if name in sections:
            found += of(sections[name])
    return found


def w1(part: Section) -> list[Goal]:
    """Return the goals of W1."""
    return [
        Goal("W1: coilal / bound", ratio(part, COILAL, BOUND), 0.85, True),
        Goal("W1: coilal on stored features / bound", ratio(part, CACHED, BOUND), 0.15, True),
        Goal("W1: plain script / coilal", ratio(part, PLAIN, COILAL), 300, False),
        Goal("W1: baal / coilal", ratio(part, BAAL, COILAL), 300, False),
        Goal("W1: scikit-activeml / coilal, features extracted", ratio(part, ACTIVEML, CACHED), 10, False),
        disagreeing(part),
    ]


def extraction(part: Section) -> list[Goal]:
    """Return the goal of the extraction."""
    return [Goal("extraction on the CPU: library's eager pass / coilal", ratio(part, EAGER, COILAL), 3, False)]


def further(part: Section) -> list[Goal]:
    """Return the goals of further runs and of the training step."""
    return [
        Goal("a further cell of a multirun / extraction", ratio(part, FURTHER, FIRST), 0.003, True),
        Goal("further strategy × seed, a process / extraction", ratio(part, PROCESS, FIRST), 0.1, True),
        Goal("training step: coilal / bare torch", ratio(part, STEP, BARE_STEP), 1.3, True),
    ]


def w2(part: Section) -> list[Goal]:
    """Return the goals of W2."""
    return [
        Goal("W2: coilal / bound", ratio(part, COILAL, BOUND), 1.05, True),
        Goal("W2: plain script / coilal", ratio(part, PLAIN, COILAL), 15, False),
        disagreeing(part),
    ]


def w3(part: Section) -> list[Goal]:
    """Return the goals of W3."""
    found = []
    for strategy, limit in {"margin": 0.5, "entropy": 0.5, "coreset": 8, "badge": 7, "typiclust": 25}.items():
        row = part.row(f"coilal {strategy} {10**6}")
        found.append(Goal(f"{strategy} on 10⁶ rows", row.median, limit, True, "s"))
        if limit > 1:
            by_hand = quotient(row, part.row(f"torch {strategy} {10**6}"))
            found.append(Goal(f"{strategy} on 10⁶ rows: coilal / bare torch by hand", by_hand, 1.2, True))
        found.append(Goal(f"{strategy} on 10⁶ rows, above the inputs", row.peak_mb, 300, True, "MB"))
    for strategy in ("bait", "maxherding", "probcover", "dropquery"):
        row = part.row(f"coilal {strategy} {10**6}")
        found.append(Goal(f"{strategy} on 10⁶ rows, above the inputs", row.peak_mb, 300, True, "MB"))
    return found


def ratio(part: Section, label: str, over: str) -> float | None:
    """Return the ratio of two medians, None if one is missing."""
    return quotient(part.row(label), part.row(over))


def quotient(row: Row, over: Row) -> float | None:
    """Return the ratio of the medians of two rows, None if one has none or is not positive."""
    if row.median is None or over.median is None or min(row.median, over.median) <= 0:
        return None  # a difference of two noisy times can be negative
    return row.median / over.median


def disagreeing(part: Section) -> Goal:
    """Return the goal that all run, and that nobody learns anything else than the reference."""
    compared = [row for row in part.rows if row.agrees is not None or row.error]
    count = float(sum(not row.agrees for row in compared)) if compared else None
    text = f"{part.name}: contestants that cannot run, or whose macro-F1 differs from the bound's"
    return Goal(text, count, 0, True, "")
