"""The short table that docs/speed.md shows."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.goals import quotient
from benchmarks.parts import ACTIVEML, BAAL, BOUND, CACHED, COILAL, EAGER, PLAIN
from benchmarks.section import Section
from benchmarks.units import number, seconds

ROWS = (
    ("the least that bare torch needs: features in memory, a loop by hand", "W1", COILAL, BOUND),
    ("scikit-activeml with skorch, features extracted on both sides", "W1", CACHED, ACTIVEML),
    ("the same, coilal in one process, as scikit-activeml is", "W1", f"{CACHED}, one process", ACTIVEML),
    ("baal as documented: the backbone in every epoch", "W1", COILAL, BAAL),
    ("a plain script: the backbone in every epoch", "W1", COILAL, PLAIN),
    ("a plain script, the last stage trained, too", "W2", COILAL, PLAIN),
    ("timm's eager forward pass, extraction alone", "extraction", COILAL, EAGER),
)


def short_table(sections: Mapping[str, Section]) -> list[str]:
    """Return coilal against everybody else; what could not be measured is a dash."""
    lines = ["| coilal against | coilal | the other | |", "|---|---|---|---|"]
    for text, name, label, other in ROWS:
        if name in sections:
            lines.append(f"| {text} | {' | '.join(comparison(sections[name], label, other))} |")
    return lines


def comparison(part: Section, label: str, other: str) -> tuple[str, str, str]:
    """Return both times, and how many times faster or slower the one is than the other."""
    row, theirs = part.row(label), part.row(other)
    times = ["–" if one.median is None else seconds(one.median) for one in (row, theirs)]
    if "extrapolated" in theirs.note:
        times[1] += " (extrapolated)"
    return times[0], times[1], in_words(quotient(theirs, row))


def in_words(faster: float | None) -> str:
    """Return a ratio of times as people say it."""
    if faster is None:
        return "–"
    return f"{number(faster)} × faster" if faster >= 1 else f"{number(1 / faster)} × slower"
