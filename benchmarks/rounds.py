"""Runs the contestants of a part of the benchmark, round by round, so that a slow moment hits all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import process
from benchmarks.agreement import agreement, averaged
from benchmarks.process import Outcome
from benchmarks.report import Report, extrapolate
from benchmarks.section import Row
from benchmarks.workload import Contest

Value = Callable[[Outcome], float]


@dataclass(frozen=True)
class Entry:
    """A contestant and how it runs.

    Attributes:
        label: of its row.
        contestant: module in ``benchmarks.contestants``.
        variant: what it is told.
        seeds: run only so many.
        cycles: run only so many, and extrapolate.
        once: too slow to be repeated.
        note: for its row.
    """

    label: str
    contestant: str
    variant: str = ""
    seeds: int | None = None
    cycles: int | None = None
    once: bool = False
    note: str = ""


def run_rounds(entries: Sequence[Entry], folder: Path, repeats: int, timeout_s: float) -> dict[str, list[Outcome]]:
    """Run every contestant in every round; return the outcomes by label.

    An entry may rely on what the one before it left in the contestant's scratch folder (coilal's cache).
    """
    outcomes: dict[str, list[Outcome]] = {entry.label: [] for entry in entries}
    for number in range(repeats):
        for entry in entries:
            if entry.once and number:
                continue
            outcome = run_entry(entry, folder, timeout_s)
            said = outcome.error or f"{outcome.wall_s:.1f} s"
            print(f"{folder.name}, round {number + 1}, {entry.label}: {said}", flush=True)
            outcomes[entry.label].append(outcome)
    return outcomes


def run_entry(entry: Entry, folder: Path, timeout_s: float) -> Outcome:
    """Run a contestant once."""
    scratch = folder / "scratch" / entry.contestant
    options = ["--contest", str(folder), "--scratch", str(scratch), "--variant", entry.variant]
    for name, value in (("--seeds", entry.seeds), ("--cycles", entry.cycles)):
        options += [name, str(value)] if value is not None else []
    return process.run(entry.contestant, options, scratch, timeout_s)


def rows(entries: Sequence[Entry], outcomes: dict[str, list[Outcome]], folder: Path, reference: str) -> list[Row]:
    """Return a row for each entry: whole processes, compared in macro-F1 with the reference."""
    contest = Contest(folder)
    best = report_of(outcomes[reference])
    made = []
    for entry in entries:
        row = row_of(entry.label, outcomes[entry.label], lambda outcome: outcome.wall_s, entry.note)
        report = report_of(outcomes[entry.label])
        if report is not None:
            if entry.cycles is not None:
                extrapolate_row(row, report, outcomes[entry.label], contest)
            last = report.macro_f1(max(cycle.labelled for cycle in report.cycles))
            row.macro_f1 = sum(last) / len(last)
            if best is not None and entry.label != reference:
                found = agreement(report, best)
                row.agrees, row.compared = found.holds, str(found)
        made.append(row)
    return made


def extrapolate_row(row: Row, report: Report, outcomes: list[Outcome], contest: Contest) -> None:
    """Replace measured times by those of the whole workload."""
    done = [outcome for outcome in outcomes if outcome.report is not None]
    measured = row.median
    row.seconds = [
        extrapolate(outcome.report, contest.workload, outcome.wall_s, len(contest.pool))
        for outcome in done
        if outcome.report is not None
    ]
    runs = len({cycle.seed for cycle in report.cycles})
    share = f"{len(report.cycles)} of {len(contest.workload.counts) * len(contest.workload.seeds)} cycles"
    row.note = f"**extrapolated** from {measured:.0f} s: {share}, in all epochs, {runs} seed. {row.note}".strip()


def row_of(label: str, outcomes: Sequence[Outcome], value: Value, note: str = "") -> Row:
    """Return a row of the outcomes that succeeded, or of the first error."""
    done = [outcome for outcome in outcomes if not outcome.error]
    if not done:
        return Row(label, note=note, error=outcomes[0].error if outcomes else "not run")
    failed = len(outcomes) - len(done)
    note = f"{note} {failed} repeat(s) failed: {failed_with(outcomes)}".strip() if failed else note
    return Row(label, [value(outcome) for outcome in done], max(one.peak_mb for one in done), note=note)


def failed_with(outcomes: Sequence[Outcome]) -> str:
    """Return the first error."""
    return next(outcome.error for outcome in outcomes if outcome.error)


def report_of(outcomes: Sequence[Outcome]) -> Report | None:
    """Return what all repeats that succeeded report of macro-F1, None if there is none."""
    reports = [outcome.report for outcome in outcomes if outcome.report is not None]
    return averaged(reports) if reports else None
