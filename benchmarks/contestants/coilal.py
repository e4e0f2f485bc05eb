"""coilal as a user runs it: all seeds of the workload in one multirun on the command line.

Imports nothing but the standard library, so that the process measured is coilal's own. The cache holds the
decoded images, which every contestant is given, and nothing else; in the variants ``cached`` and
``cached_one_process`` it holds what the run before it left there. The latter gives all seeds to one process.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.report import Cycle, Report
from benchmarks.workload import arguments


def run(settings: dict[str, Any], scratch: Path, variant: str = "", seeds: int | None = None) -> Report:
    """Run the command and read what it left.

    Args:
        settings: ``coilal.json`` of the contest.
        scratch: folder for cache and run directories.
        variant: "", ``cached`` or ``cached_one_process``.
        seeds: run only so many seeds.
    """
    cache, outputs = scratch / "cache", scratch / "outputs"
    shutil.rmtree(outputs, ignore_errors=True)
    if not variant.startswith("cached"):
        shutil.rmtree(cache, ignore_errors=True)
        shutil.copytree(settings["images"], cache, copy_function=os.link)
    chosen = settings["seeds"][:seeds]
    seed = ",".join(map(str, chosen))
    overrides = [*settings["overrides"], f"seed={seed}", f"outputs={outputs}", f"cache.dir={cache}"]
    overrides += ["hydra.launcher.processes=1"] if variant.endswith("one_process") else []
    done = subprocess.run([sys.executable, "-m", "coilal.train", "-m", *overrides], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)  # coilal has said why; its last line is the reason in the table
    report = Report()
    for number in chosen:
        (folder,) = outputs.glob(f"*/*/*/*/split0/seed{number}")
        check_start(folder, settings["start"][str(number)])
        report.cycles += read_cycles(folder, number)
        report.before |= read_preparation(folder) if number == chosen[0] else {}
    return report


def read_preparation(folder: Path) -> dict[str, float]:
    """Return the seconds of the phases before the first cycle (decoding, extraction), as coilal reports them."""
    with (folder / "cycles.csv").open() as stream:
        first = next(csv.DictReader(stream))
    phases = ("decode", "extract")
    return {name: float(first[f"{name}_s"]) for name in phases if first.get(f"{name}_s")}


def read_cycles(folder: Path, seed: int) -> list[Cycle]:
    """Return the cycles of a run directory."""
    with (folder / "cycles.csv").open() as stream:
        return [
            Cycle(
                seed,
                labelled=int(float(row["labelled"])),
                macro_f1=float(row["test/macro_f1"]),
                fit_s=float(row["fit_s"]),
                infer_s=float(row["infer_s"]),
                select_s=float(row["select_s"]),
                evaluate_s=float(row["evaluate_s"]),
            )
            for row in csv.DictReader(stream)
        ]


def check_start(folder: Path, names: list[str]) -> None:
    """Refuse a run that began with other images than the other contestants.

    Raises:
        ValueError: the starting set differs.
    """
    with (folder / "queries.csv").open() as stream:
        first = [row["image"] for row in csv.DictReader(stream) if row["cycle"] == "0"]
    if first != names:
        raise ValueError(f"{folder} did not start from the images that the other contestants are given")


if __name__ == "__main__":
    options = arguments(__doc__)
    given = json.loads((options.contest / "coilal.json").read_text())
    run(given, options.scratch, options.variant, options.seeds).save(options.out)
