"""How long a query takes when other processes of a grid choose, too.

``python -m benchmarks.side_by_side`` writes benchmarks/SIDE_BY_SIDE.md. Random features of the size of the pool of
magnetic tiles (808 images, of which 160 are labelled, × 1,280) in as many processes as there are cores, each of
which chooses 24 images again and again: as a strategy is called, which multiplies small matrices on one thread; and
its bare function, with BLAS as numpy and scipy find it, a thread a core in each process. Median of the queries
after the first one, the slowest process of all.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median

import numpy as np
from joblib import cpu_count

from benchmarks.machine import describe
from coilal.active.features import Features
from coilal.active.outputs import PoolOutputs, QueryFunction
from coilal.active.strategies.badge import badge
from coilal.active.strategies.bait import bait
from coilal.active.strategies.coreset import coreset
from coilal.active.strategies.herding import maxherding
from coilal.active.strategies.probcover import probcover
from coilal.active.strategies.strategy import Strategy
from coilal.active.strategies.typiclust import typiclust
from coilal.common.threads import share_cores

RESULTS = Path(__file__).parent / "SIDE_BY_SIDE.md"
IMAGES, LABELLED, WIDTH, CLASSES, BATCH = 808, 160, 1_280, 6, 24
QUERIES = 5
STRATEGIES = {function.__name__: function for function in (bait, badge, coreset, maxherding, typiclust, probcover)}
HEADER = """| strategy | alone | side by side | BLAS left alone: alone | side by side |
|---|---|---|---|---|"""


def outputs() -> PoolOutputs:
    """Return what a model says of random features."""
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((IMAGES, WIDTH)).astype(np.float32)
    ids = np.arange(IMAGES)
    logits = (rows @ generator.standard_normal((WIDTH, CLASSES)) / WIDTH**0.5).astype(np.float32)
    pool, labelled = ids[LABELLED:], ids[:LABELLED]
    return PoolOutputs(
        "multiclass",
        pool,
        logits[pool],
        Features(rows, pool),
        Features(rows, labelled),
        logits[labelled],
        classes=CLASSES,
    )


def query(name: str, as_it_is: bool) -> QueryFunction:
    """Return the strategy as cells call it, or its bare function."""
    function = STRATEGIES[name]
    return Strategy(name, ["multiclass"], function) if as_it_is else function


def seconds_of(name: str, as_it_is: bool, processes: int) -> float:
    """Return the seconds of a query of the slowest of some processes."""
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(processes)
    with context.Pool(processes, _meet, (together,)) as pool:
        return max(pool.map(partial(_measure, name, as_it_is), [processes] * processes, chunksize=1))


def rows_of(names: Sequence[str], processes: int) -> list[str]:
    """Measure; return the rows of the table."""
    rows = []
    for name in names:
        seconds = [seconds_of(name, kind, count) for kind in (True, False) for count in (1, processes)]
        rows.append(f"| `{name}` | " + " | ".join(f"{value:.3f} s" for value in seconds) + " |")
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure and write the table."""
    cores = cpu_count()
    rows = rows_of(list(STRATEGIES), cores)
    where = f"Side by side: {cores} processes on {cores} cores. {describe()}"
    RESULTS.write_text(
        "\n".join([f"# Queries side by side\n\n{__doc__}", HEADER, *rows, "", where, ""]), encoding="utf-8"
    )


_together: Barrier


def _meet(together: Barrier) -> None:
    global _together
    _together = together


def _measure(name: str, as_it_is: bool, processes: int) -> float:
    share_cores(processes)
    choose, seen, seconds = query(name, as_it_is), outputs(), []
    for number in range(QUERIES + 1):
        _together.wait()
        start = time.perf_counter()
        choose(seen, BATCH, np.random.default_rng(number))
        seconds.append(time.perf_counter() - start)
    return median(seconds[1:])


if __name__ == "__main__":
    main()
