"""Selection alone: one library, one strategy, so many rows of logits; in a fresh process each."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import PeakMemory
from benchmarks.report import Report

CLASSES, BATCH, CALLS = 8, 100, 5

Select = Callable[[NDArray[np.float32]], NDArray[np.int64]]


def coilal(strategy: str) -> Select:
    """Return coilal's strategy of that yaml."""
    from omegaconf import OmegaConf

    from coilal.common.cli import conf_folder
    from coilal.common.instantiate import instantiate
    from coilal.common.types import PoolOutputs

    chosen = instantiate(OmegaConf.load(Path(conf_folder()) / "strategy" / f"{strategy}.yaml"))

    def select(logits: NDArray[np.float32]) -> NDArray[np.int64]:
        ids = np.arange(len(logits))
        outputs = PoolOutputs(chosen.tasks[0], ids, logits if chosen.needs_logits else None)
        return chosen(outputs, BATCH, np.random.default_rng(0)).ids

    return select


def torch(strategy: str) -> Select:
    """Return the least that bare torch needs."""
    from benchmarks.contestants.selection_torch import SELECT

    return SELECT[strategy]


def baal(strategy: str) -> Select:
    """Return baal's heuristic of that name."""
    from baal.active import heuristics

    heuristic = {"margin": heuristics.Margin, "entropy": heuristics.Entropy}[strategy]()
    return lambda logits: heuristic(logits)[:BATCH]


def scikit_activeml(strategy: str) -> Select:
    """Return scikit-activeml's uncertainty sampling, whose classifier knows the logits already."""
    from benchmarks.contestants.selection_skactiveml import select

    return select({"margin": "margin_sampling", "entropy": "entropy"}[strategy])


LIBRARIES = {"coilal": coilal, "torch": torch, "baal": baal, "scikit_activeml": scikit_activeml}


def run(library: str, strategy: str, rows: int) -> Report:
    """Time the selection of 100 of the rows: median of 5 calls, and the peak of memory above the logits."""
    select = LIBRARIES[library](strategy)
    logits = np.random.default_rng(0).standard_normal((rows, CLASSES), dtype=np.float32) * 3
    select(logits[:1000].copy())  # first calls load what is loaded lazily
    peak = PeakMemory()
    seconds = []
    for _ in range(CALLS):
        start = time.perf_counter()
        chosen = select(logits)
        seconds.append(time.perf_counter() - start)
    assert len(set(chosen.tolist())) == BATCH
    return Report(figures={"select_s": statistics.median(seconds), "above_inputs_mb": peak.megabytes()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", choices=LIBRARIES, required=True)
    parser.add_argument("--strategy", required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    run(options.library, options.strategy, options.rows).save(options.out)
