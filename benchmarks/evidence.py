"""How long the report takes for many runs.

``python -m benchmarks.evidence 1000 10000`` writes benchmarks/EVIDENCE.md. The runs are made up, in the format of
run directories: a model for each 500, 10 strategies, 5 splits, 10 seeds, ten queries of 16 images, 58 columns in
cycles.csv; the images cannot be read, so that there is no gallery. Measured are two processes, from outside:

- read: reading, comparing and all numbers of the report, but no figures (``--read FOLDER``);
- report: ``python -m coilal.report``, all of it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from benchmarks.machine import describe
from coilal.common.cli import conf_folder
from coilal.evidence.analysis import analyse
from coilal.evidence.comparison import compare as compared_runs
from coilal.evidence.reading import Run, find_studies, read_runs
from coilal.evidence.report_settings import ReportSettings
from coilal.run_directory.files import RunName

RESULTS = Path(__file__).parent / "EVIDENCE.md"
STRATEGIES, SPLITS, SEEDS = 10, 5, 10
QUERIES, BATCH = 10, 16
POOL, VALIDATION, TEST = 768, 192, 320
CLASSES = ("none", "double_winding", "gap", "crossover", "dw+gap", "dw+crossover", "gap+crossover", "all_of_them")
COLUMNS = (
    *(f"{part}/{name}" for part in ("test", "val") for name in ("macro_f1", "accuracy", "balanced_accuracy")),
    *(f"{part}/{kind}/{of}" for part in ("test", "val") for kind in ("recall", "f1") for of in CLASSES),
    *(f"{part}/{name}" for part in ("test", "val") for name in ("escape_rate", "overkill_rate")),
    *(f"{part}/fault_recall/{of}" for part in ("test", "val") for of in CLASSES[1:4]),
    *("decode_s", "extract_s", "fit_s", "infer_s", "select_s", "evaluate_s", "peak_memory_mb", "write_s"),
)


def names(runs: int) -> Iterator[RunName]:
    """Yield the names of so many runs, a multiple of 500."""
    models = runs // (STRATEGIES * SPLITS * SEEDS)
    for model, strategy, split, seed in product(range(models), range(STRATEGIES), range(SPLITS), range(SEEDS)):
        name = "random" if strategy == 0 else f"strategy{strategy}"
        yield RunName("multiclass", f"model{model}", name, split, seed)


def write_runs(outputs: Path, runs: int) -> None:
    """Write made-up runs of the study ``many``."""
    with initialize_config_dir(conf_folder()):
        composed = compose("train", ["study=many", f"outputs={outputs}", "data=folder", "data.root=/nowhere"])
    given: Any = OmegaConf.to_container(composed, resolve=True)
    for name in names(runs):
        folder = outputs / "many" / str(name)
        folder.mkdir(parents=True)
        given["seed"], given["strategy"]["name"], given["model"]["name"] = name.seed, name.strategy, name.model
        given["seeds"] = {"split": name.split, "start": name.seed, "train": name.seed}
        (folder / "config.yaml").write_text(yaml.dump(given, Dumper=yaml.CSafeDumper, sort_keys=False))
        (folder / "status.json").write_text(json.dumps(_status(name), indent=2))
        (folder / "cycles.csv").write_text(_cycles(name))
        (folder / "queries.csv").write_text(_queries(name))
        counts = ",".join(str(POOL // len(CLASSES)) for _ in CLASSES)
        header = ",".join(("part", "images", "groups", *CLASSES))
        (folder / "splits.csv").write_text(f"{header}\npool,{POOL},24,{counts}\n")


def _status(name: RunName) -> dict[str, object]:
    split = {"pool": POOL, "validation": VALIDATION, "test": TEST}
    return {
        "state": "done",
        "seeds": {"seed": name.seed, "split": name.split, "start": name.seed, "train": name.seed},
        "weights": "8be2561b0cf20e09",
        "data": {
            "images": POOL + VALIDATION + TEST,
            "fingerprint": "089834c4",
            "labels": "0129",
            "groups": "2342",
            "parts": f"split{name.split}",
            "record": "images.csv.gz",
            "split": split,
        },
        "versions": {"python": "3.11.7", "coilal": "0.1.0", "torch": "2.15.0", "numpy": "2.4.6"},
        "git_commit": "17f03c6d1f4f1ef3c90377f6d7852092d6fca239",
        "host": "here",
        "start": "2026-11-29T12:58:30+00:00",
        "end": "2026-11-29T12:58:35+00:00",
    }


def _cycles(name: RunName) -> str:
    generator = np.random.default_rng([name.split or 0, name.seed, *name.strategy.encode()])
    rise = 0.3 + 0.5 * (1 - np.exp(-np.arange(QUERIES + 1) / 4))
    rows = [",".join(("cycle", "labelled", *COLUMNS))]
    for cycle, level in enumerate(rise):
        values = np.clip(level + generator.normal(0, 0.03, len(COLUMNS)), 0, 1)
        rows.append(",".join((str(cycle), str(BATCH * (cycle + 1)), *map(repr, values.tolist()))))
    return "\n".join(rows) + "\n"


def _queries(name: RunName) -> str:
    start = np.random.default_rng([name.split or 0, name.seed]).permutation(POOL)
    own = np.random.default_rng([name.split or 0, name.seed, *name.strategy.encode()])
    order = [*start[:BATCH], *own.permutation(start[BATCH:])]
    rows = ["cycle,rank,image,score,label,prediction,confidence"]
    for place, image in enumerate(order[: BATCH * (QUERIES + 1)]):
        file = f"coil{image // 32:03}/coil{image // 32:03}_Image{image % 32:04}.png"
        said = f"{CLASSES[place % len(CLASSES)]},{0.5 + place / 1e3:.4f}" if place >= BATCH else ","
        label = CLASSES[image % len(CLASSES)]
        rows.append(f"{place // BATCH},{place % BATCH},{file},{0.7 + place / 1e4},{label},{said}")
    return "\n".join(rows) + "\n"


def read(outputs: Path) -> None:
    """Read the runs and compute all numbers of the report; print what that took."""
    settings = ReportSettings()
    began = time.process_time()
    runs = [run for run in read_runs(find_studies(outputs, ["many"]), settings.column) if isinstance(run, Run)]
    have_read = time.process_time()
    comparisons, _ = compared_runs(runs, settings.baseline)
    compared = time.process_time()
    for comparison in comparisons:
        analyse(comparison, settings)
    analysed = time.process_time()
    print(
        f"of the processor: reading {have_read - began:.1f} s, comparing {compared - have_read:.1f} s, "
        f"numbers {analysed - compared:.1f} s"
    )


def measured(command: Sequence[str]) -> tuple[float, float, float, str]:
    """Run a process; return its seconds, those of the processors, the most memory in MB, and its last line."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    most = 0.0
    while process.poll() is None:
        most = max(most, _memory(process.pid))
        time.sleep(0.2)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    assert process.stdout is not None
    said = process.stdout.read().strip()
    processors = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, processors, most / 1e6, said.rpartition("\n")[2]


def _memory(pid: int) -> float:
    try:
        root = psutil.Process(pid)
        return float(sum(process.memory_info().rss for process in (root, *root.children(recursive=True))))
    except psutil.NoSuchProcess:
        return 0.0


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=int, help="numbers of runs, multiples of 500", default=[1000])
    parser.add_argument("--read", type=Path, help="read the runs of this folder in this process")
    parser.add_argument("--write", type=Path, help="write the runs into this folder, and measure nothing")
    given = parser.parse_args()
    if given.read:
        read(given.read)
        return
    if given.write:
        write_runs(given.write, given.runs[0])
        return
    rows = ["| runs | what | s | processor s | MB | |", "|---|---|---|---|---|---|"]
    for runs in given.runs:
        with tempfile.TemporaryDirectory() as folder:
            write_runs(Path(folder), runs)
            for what, command in (
                ("read", ["-m", "benchmarks.evidence", "--read", folder]),
                ("report", ["-m", "coilal.report", "study=many", f"outputs={folder}"]),
            ):
                wall, processors, most, said = measured(command)
                page = Path(folder, "many/report/index.html")
                note = f"a page of {page.stat().st_size / 1e6:.1f} MB" if what == "report" else said
                rows.append(f"| {runs:,} | {what} | {wall:.0f} | {processors:.0f} | {most:.0f} | {note} |")
                print(rows[-1], flush=True)
    text = f"# Reading and reporting many runs\n\n{__doc__}\n" + "\n".join(rows) + f"\n\n{describe()}\n"
    RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
