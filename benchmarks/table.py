"""Writes the results as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.agreement import RULE
from benchmarks.goals import Goal, goals, quotient
from benchmarks.section import Row, Section
from benchmarks.short import short_table
from benchmarks.units import number, seconds

ORDER = ("W1", "W2", "W3", "extraction", "further")


def document(sections: Mapping[str, Section], machine: str, quick: bool) -> str:
    """Return the whole file."""
    present = [sections[name] for name in ORDER if name in sections]
    lines = [
        "# Results of the benchmark",
        "",
        "Written by `uv run --group bench python -m benchmarks.compare`; do not edit. " + machine,
        "",
        "Every contestant is a process of its own and is given the same decoded images, split, starting sets, "
        "seeds, epochs, batch size and optimizer; threads are at each library's default (the bound trains its "
        "heads on one thread, a process a core). Before each, a process imports the same libraries, untimed, so "
        "that all find them in memory. Times are medians over repeats, the range in brackets. Peak memory is "
        "that of all processes of a contestant together, shared pages counted once.",
    ]
    if quick:
        lines += ["", "**Quick run: small workloads that show that everything works. The ratios mean nothing.**"]
    lines += ["", "## In short", "", *short_table(sections)]
    lines += ["", "## Must reach", "", *goal_table(goals(sections)), "", RULE]
    for part in present:
        body = selection_table(part) if part.name == "W3" else time_table(part)
        lines += ["", f"## {part.title}", "", f"{part.text} Measured {part.date}.", "", *body]
    return "\n".join(lines) + "\n"


def goal_table(found: Sequence[Goal]) -> list[str]:
    """Return the goals with their verdicts."""
    lines = ["| what | measured | must be | |", "|---|---|---|---|"]
    for goal in found:
        sign = "≤" if goal.at_most else "≥"
        value = "–" if goal.value is None else f"{number(goal.value)} {goal.unit}"
        lines.append(f"| {goal.text} | {value} | {sign} {goal.limit:g} {goal.unit} | {goal.verdict} |")
    return lines


def time_table(part: Section) -> list[str]:
    """Return contestants, times, ratios, memory and agreement."""
    reference = part.row(part.reference)
    head = f"| | time | ÷ {part.reference} | peak memory | macro-F1 | agrees | |"
    return [head, "|---|---|---|---|---|---|---|", *(time_line(row, reference) for row in part.rows)]


def time_line(row: Row, reference: Row) -> str:
    """Return the line of a contestant; one that could not run keeps its line."""
    if row.error:
        return f"| {row.label} | cannot run | – | – | – | – | {row.error} |"
    share = quotient(row, reference)
    cells = [
        row.label,
        spread(row.seconds),
        "–" if share is None else number(share),
        "–" if row.peak_mb is None else f"{row.peak_mb:.0f} MB",
        "–" if row.macro_f1 is None else f"{row.macro_f1:.3f}",
        "–" if row.agrees is None else f"{'yes' if row.agrees else '**no**'} ({row.compared})",
        row.note,
    ]
    return f"| {' | '.join(cells)} |"


def selection_table(part: Section) -> list[str]:
    """Return strategies and libraries against the number of rows."""
    cases = {row.label.rsplit(" ", 1)[0]: None for row in part.rows}
    sizes = sorted({int(row.label.rsplit(" ", 1)[1]) for row in part.rows})
    lines = [f"| | {' | '.join(f'{size:,} rows' for size in sizes)} |", "|---" * (len(sizes) + 1) + "|"]
    for case in cases:
        cells = [selection_cell(part.row(f"{case} {size}")) for size in sizes]
        lines.append(f"| {case} | {' | '.join(cells)} |")
    return lines


def selection_cell(row: Row) -> str:
    """Return time and memory of a selection, or why there are none."""
    if row.median is None:
        return f"cannot run: {row.error}"
    return f"{seconds(row.median)}, {row.peak_mb:.0f} MB"


def spread(values: Sequence[float]) -> str:
    """Return the median, with the range if there are several values."""
    middle = seconds(Row("", list(values)).median or 0.0)
    return middle if len(values) < 2 else f"{middle} ({seconds(min(values))} … {seconds(max(values))})"
