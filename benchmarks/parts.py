"""The parts of the benchmark: who takes part, and what is read off."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import process
from benchmarks.process import REPOSITORY, Outcome
from benchmarks.rounds import Entry, row_of, rows, run_rounds
from benchmarks.section import Row, Section
from benchmarks.workload import Training, Workload

COILAL, CACHED = "coilal", "coilal, features cached"
BOUND, PLAIN, BAAL, ACTIVEML = "bound (bare torch)", "plain script", "baal", "scikit-activeml + skorch"
EAGER, FIRST, FURTHER, PROCESS = "library, eager, batch 64", "extraction", "further job", "further process"
STEP, BARE_STEP, FUSED_STEP = "coilal, step", "bare torch, step", "bare torch, step, fused"
HELP, WORK = "start-up: --help", "start-up: to the first run's work"


@dataclass(frozen=True)
class Options:
    """What the command line says.

    Attributes:
        work: folder for data and scratch.
        repeats: of what is fast enough.
        weights: of MobileNetV2, or None.
        quick: small workloads, to see whether everything works.
        slow_cycles: cycles that the slow contestants run.
        timeout_s: for one process.
    """

    work: Path
    repeats: int
    weights: Path | None
    quick: bool
    slow_cycles: int
    timeout_s: float


def w1(options: Options) -> Section:
    """Frozen backbone, linear head."""
    folder = make("W1", options)
    entries = [
        Entry(COILAL, "coilal"),
        Entry(CACHED, "coilal", "cached", note="extraction not counted"),
        Entry(f"{CACHED}, one process", "coilal", "cached_one_process", note="extraction not counted"),
        Entry(BOUND, "bound"),
        Entry("bound, one process", "bound", "one_process"),
        Entry("bound, features cached", "bound", "cached", note="extraction not counted"),
        Entry("bound, features cached, one process", "bound", "cached_one_process", note="extraction not counted"),
        Entry(ACTIVEML, "scikit_activeml", note="extraction not counted"),
        Entry(PLAIN, "plain", seeds=1, cycles=options.slow_cycles, once=True),
        Entry(BAAL, "baal", seeds=1, cycles=options.slow_cycles, once=True),
    ]
    outcomes = run_rounds(entries, folder, options.repeats, options.timeout_s)
    backbone = "MobileNetV2 at 224 × 224" if options.weights else "tiny, packaged weights"
    return section(
        "W1",
        f"W1: frozen backbone ({backbone}), linear head",
        describe(folder),
        BOUND,
        rows(entries, outcomes, folder, BOUND),
    )


def w2(options: Options) -> Section:
    """Last stage trainable."""
    folder = make("W2", options)
    entries = [
        Entry(COILAL, "coilal"),
        Entry(BOUND, "bound_tail", note="output of the frozen part in memory"),
        Entry(PLAIN, "plain", seeds=1, cycles=options.slow_cycles, once=True),
    ]
    outcomes = run_rounds(entries, folder, options.repeats, options.timeout_s)
    known = "given weights" if options.weights else "random weights: only times and agreement mean something"
    return section(
        "W2",
        f"W2: last stage of MobileNetV2 trainable ({known})",
        describe(folder),
        BOUND,
        rows(entries, outcomes, folder, BOUND),
    )


def extraction(options: Options) -> Section:
    """One pass of MobileNetV2 over the images."""
    folder = make("extraction", options)
    entries = [
        Entry(EAGER, "extraction", "eager"),
        Entry(BOUND, "extraction", "bound"),
        Entry("cold", "coilal"),
        Entry("warm", "coilal", "cached"),
    ]
    outcomes = run_rounds(entries, folder, options.repeats, options.timeout_s)
    made = [row_of(label, outcomes[label], extract_s) for label in (EAGER, BOUND)]
    made.append(difference(COILAL, outcomes["cold"], outcomes["warm"], 1))
    made[-1].note = "a run with an empty cache less the same run with a full one"
    if all(outcome.report and "extract" in outcome.report.before for outcome in outcomes["cold"]):
        made.append(row_of("coilal, as cycles.csv has it", outcomes["cold"], extract_s))
    return section(
        "extraction",
        "Extraction of MobileNetV2's features at 224 × 224",
        "Without imports; the images are decoded and on disk.",
        EAGER,
        made,
    )


def further(options: Options) -> Section:
    """Further seeds on the cached features of a DINOv2-S, a training step on them, and the start of a process."""
    folder = make("further", options)
    entries = [
        Entry("cold", "coilal", seeds=1),
        Entry("warm", "coilal", "cached_one_process", seeds=1),
        Entry("all", "coilal", "cached"),
        Entry("all, one process", "coilal", "cached_one_process"),
        Entry(BARE_STEP, "step"),
        Entry(FUSED_STEP, "step", "fused"),
        Entry(HELP, "startup", "help"),
        Entry(WORK, "startup", "work"),
    ]
    outcomes = run_rounds(entries, folder, options.repeats, options.timeout_s)
    per_step = steps_of(folder)
    seeds = len(json.loads((folder / "coilal.json").read_text())["seeds"])
    made = [
        difference(FIRST, outcomes["cold"], outcomes["warm"], 1),
        difference(FURTHER, outcomes["all"], outcomes["warm"], seeds - 1),
        difference(f"{FURTHER}, one process", outcomes["all, one process"], outcomes["warm"], seeds - 1),
        row_of(PROCESS, outcomes["warm"], lambda outcome: outcome.wall_s, "imports included"),
        row_of(STEP, outcomes["all, one process"], per_step, "fits of all cycles, set-up included"),
        *[row_of(label, outcomes[label], per_step) for label in (BARE_STEP, FUSED_STEP)],
        row_of(HELP, outcomes[HELP], start_up_s, "from the command to its end"),
        row_of(WORK, outcomes[WORK], start_up_s, "features cached; from the command to the run's status.json"),
    ]
    made[1].note = f"a multirun of {seeds} seeds on all cores less one of one seed, over {seeds - 1}"
    made[2].note = "the same in one process"
    return section(
        "further",
        "A further strategy × seed on cached features of a DINOv2-S (random weights, 224 × 224); steps; start-up",
        "The features are 384 wide class tokens; each run has the cycles and epochs of W1.",
        FIRST,
        made,
    )


def w3(options: Options) -> Section:
    """Selection alone."""
    names = sorted(path.stem for path in (REPOSITORY / "conf" / "strategy").glob("*.yaml") if path.stem != "oracle")
    peers = {"margin": 3, "entropy": 3, "coreset": 2, "badge": 2, "typiclust": 2}  # baal has none on features
    compared = [
        (library, name) for name, most in peers.items() for library in ("torch", "scikit_activeml", "baal")[:most]
    ]
    made = []
    for library, strategy in [*(("coilal", name) for name in names), *compared]:
        for size in (10**4, 10**5, 10**6):
            scratch = options.work / "W3" / f"{library}_{strategy}"
            told = ["--library", library, "--strategy", strategy, "--rows", str(size)]
            outcome = process.run("selection", told, scratch, min(options.timeout_s, SELECTION_S))
            made.append(selection_row(f"{library} {strategy} {size}", outcome))
            print(f"W3, {made[-1].label}: {made[-1].seconds or made[-1].error}", flush=True)
    text = (
        "100 of n images, 8 classes (or labels), each case in a fresh process: strategies on outputs from float32 "
        "logits, median of five calls; strategies on features from 384 float32 features besides, 100 images "
        "labelled, median of three. Memory is the peak above the inputs. Libraries that want probabilities are "
        "counted with the softmax. A case may take ten minutes and 16 GB."
    )
    return section("W3", "W3: selection alone", text, "", made)


SELECTION_S = 600.0
"""Seconds that a case of W3 may take: three calls, and one with a thousand images before."""

PARTS: dict[str, Callable[[Options], Section]] = {
    "W1": w1,
    "W2": w2,
    "W3": w3,
    "extraction": extraction,
    "further": further,
}


def make(name: str, options: Options) -> Path:
    """Make the data of a part, in a process of its own, and return its folder."""
    command = [sys.executable, "-m", "benchmarks.data", "--spec", name, "--work", str(options.work)]
    command += ["--weights", str(options.weights)] if options.weights else []
    command += ["--quick"] if options.quick else []
    print(f"{name}: making the data", flush=True)
    subprocess.run(command, cwd=REPOSITORY, env=process.environment(), check=True)
    return options.work / name


def section(name: str, title: str, text: str, reference: str, made: list[Row]) -> Section:
    """Return a section that was measured now."""
    return Section(name, title, text, datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), reference, made)


def describe(folder: Path) -> str:
    """Return the conditions of W1 or W2."""
    workload = Workload.load(folder)
    training = workload.training
    return (
        f"{len(workload.counts)} cycles with {workload.counts[0]} to {workload.counts[-1]} labelled images, "
        f"{training.epochs} epochs, batches of {training.batch_size}, {len(workload.seeds)} seed(s), AdamW "
        f"(learning rate {training.lr_head:g}, backbone {training.lr_backbone:g}, weight decay "
        f"{training.weight_decay:g}), margin sampling. Whole processes, imports included."
    )


def difference(label: str, more: list[Outcome], less: list[Outcome], parts: int) -> Row:
    """Return a row of the time that one process took longer than another, in each round, over ``parts``."""
    failed = [outcome.error for outcome in (*more, *less) if outcome.error]
    if failed:
        return Row(label, error=failed[0])
    seconds = [(a.wall_s - b.wall_s) / parts for a, b in zip(more, less, strict=True)]
    return Row(label, seconds, max(outcome.peak_mb for outcome in more))


def extract_s(outcome: Outcome) -> float:
    """Return the time of the extraction."""
    assert outcome.report is not None
    return outcome.report.before["extract"]


def start_up_s(outcome: Outcome) -> float:
    """Return the time of a start."""
    assert outcome.report is not None
    return outcome.report.figures["start_up_s"]


def steps_of(folder: Path) -> Callable[[Outcome], float]:
    """Return the function from an outcome to the seconds of a training step."""
    training = Training(**json.loads((folder / "steps.json").read_text())["training"])

    def seconds(outcome: Outcome) -> float:
        assert outcome.report is not None
        cycles = outcome.report.cycles
        steps = sum(training.epochs * -(-cycle.labelled // training.batch_size) for cycle in cycles)
        return sum(cycle.fit_s for cycle in cycles) / steps

    return seconds


def selection_row(label: str, outcome: Outcome) -> Row:
    """Return the row of a selection."""
    if outcome.report is None:
        return Row(label, error=outcome.error)
    figures = outcome.report.figures
    return Row(label, [figures["select_s"]], figures["above_inputs_mb"])
