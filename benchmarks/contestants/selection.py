"""Selection alone: one library, one strategy, so many images; in a fresh process each."""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import PeakMemory
from benchmarks.report import Report

CLASSES, BATCH, WIDTH, LABELLED, PASSES = 8, 100, 384, 100, 20
CALLS, CALLS_ON_FEATURES = 5, 3
MOST_MEMORY = 16 << 30


@dataclass(frozen=True)
class Inputs:
    """What a selection is made from.

    Attributes:
        logits: float32 (n + m, 8), of the pool and, at the end, of the labelled images.
        rows: n.
        features: float32 (n + m, 384); (n + m, 0) for who looks at outputs alone.
        passes: float32 (20, n, 8); (0, n, 8) for who does not look at them.
    """

    logits: NDArray[np.float32]
    rows: int
    features: NDArray[np.float32]
    passes: NDArray[np.float32]

    @classmethod
    def drawn(cls, rows: int, on_features: bool, with_passes: bool) -> Inputs:
        """Return inputs of so many images; features lie about 200 centres."""
        generator, images = np.random.default_rng(0), rows + LABELLED
        width, passes = WIDTH if on_features else 0, PASSES if with_passes else 0
        features = generator.standard_normal((images, width), dtype=np.float32)
        centres = generator.standard_normal((200, width), dtype=np.float32)
        for first in range(0, images, 1 << 13):
            block = features[first : first + (1 << 13)]
            block += centres[generator.integers(200, size=len(block))]
        logits = generator.standard_normal((images, CLASSES), dtype=np.float32) * 3
        drawn = generator.standard_normal((passes, rows, CLASSES), dtype=np.float32)
        return cls(logits, rows, features, drawn)

    def few(self) -> Inputs:
        """Return a thousand images of the pool, and those with labels."""
        kept = np.r_[: min(1000, self.rows), self.rows : len(self.logits)]
        rows = len(kept) - LABELLED
        return Inputs(self.logits[kept], rows, self.features[kept], self.passes[:, :rows].copy())


Select = Callable[[Inputs], NDArray[np.int64]]


def coilal(strategy: str) -> Select:
    """Return coilal's strategy of that yaml."""
    from coilal.active.features import Features
    from coilal.active.outputs import HeldOut, PoolOutputs

    chosen = strategy_of(strategy)
    needed = chosen.needed

    def select(inputs: Inputs) -> NDArray[np.int64]:
        ids, known = np.arange(inputs.rows), np.arange(inputs.rows, len(inputs.logits))
        held_out = HeldOut(inputs.logits[inputs.rows :], np.zeros(len(known), dtype=np.int64))
        outputs = PoolOutputs(
            chosen.tasks[0],
            ids,
            inputs.logits[: inputs.rows] if needed.logits else None,
            Features(inputs.features, ids) if needed.features else None,
            Features(inputs.features, known) if needed.labelled_features else None,
            inputs.logits[inputs.rows :] if needed.labelled_logits else None,
            held_out if needed.held_out_logits else None,
            inputs.passes[: needed.passes] if needed.passes else None,
            classes=CLASSES,
        )
        return chosen(outputs, BATCH, np.random.default_rng(0)).ids

    return select


def strategy_of(name: str):  # type: ignore[no-untyped-def]
    """Return coilal's strategy of that yaml."""
    from omegaconf import OmegaConf

    from coilal.common.cli import conf_folder
    from coilal.common.instantiate import instantiate

    return instantiate(OmegaConf.load(Path(conf_folder()) / "strategy" / f"{name}.yaml"))


def torch(strategy: str) -> Select:
    """Return the least that bare torch needs."""
    from benchmarks.contestants.selection_torch import SELECT

    return SELECT[strategy]


def baal(strategy: str) -> Select:
    """Return baal's heuristic of that name."""
    from baal.active import heuristics

    heuristic = {"margin": heuristics.Margin, "entropy": heuristics.Entropy}[strategy]()
    return lambda inputs: heuristic(inputs.logits[: inputs.rows])[:BATCH]


def scikit_activeml(strategy: str) -> Select:
    """Return scikit-activeml's query strategy, whose classifier knows the logits already."""
    from benchmarks.contestants.selection_skactiveml import select

    return select(strategy)


LIBRARIES = {"coilal": coilal, "torch": torch, "baal": baal, "scikit_activeml": scikit_activeml}


def run(library: str, strategy: str, rows: int) -> Report:
    """Time the selection of 100 of the rows: median of the calls, and the peak of memory above the inputs."""
    needed = strategy_of(strategy).needed
    select = LIBRARIES[library](strategy)
    inputs = Inputs.drawn(rows, needed.features, bool(needed.passes))
    select(inputs.few())  # first calls load what is loaded lazily
    peak = PeakMemory()
    seconds = []
    for _ in range(CALLS_ON_FEATURES if needed.features else CALLS):
        start = time.perf_counter()
        chosen = select(inputs)
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
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))  # an error instead of a machine that swaps
    run(options.library, options.strategy, options.rows).save(options.out)
