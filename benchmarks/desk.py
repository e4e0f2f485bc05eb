"""What the desk of a labelling session needs for a key, by the batches that are labelled already.

python -m benchmarks.desk          # a few minutes; writes benchmarks/DESK.md
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from benchmarks import machine
from benchmarks.units import seconds
from coilal.active.journal import Journal
from coilal.active.outputs import Selection
from coilal.active.session import Session
from coilal.common.types import Samples
from coilal.data.splits import PARTS
from coilal.data.stored_split import Placed
from coilal.labelling.desk import SessionDesk
from coilal.labelling.images import Images
from coilal.labelling.settings import LabelSettings

IMAGES, VIEWS, AUDIT, BATCH, AHEAD = 100_000, 12, 60, 24, 4
TOLD = (1, 100, 400, 1000)
"""Batches that are labelled before keys are measured."""
KEYS = 48


@dataclass(frozen=True)
class Measured:
    """What one session took, in seconds.

    Attributes:
        batches: that were labelled before.
        start: to read the journal and make the desk.
        key: CPU time of an answer, the next image and those after it, median.
        progress: CPU time of the progress that the page shows with it, median.
        wall: of all that, the disk included, median.
        gallery: CPU time of the gallery's first page.
    """

    batches: int
    start: float
    key: float
    progress: float
    wall: float
    gallery: float


def images() -> Images:
    """Return a hundred thousand images of coils with twelve views each, without files."""
    part = np.where(np.arange(IMAGES) < AUDIT, PARTS.index("test"), PARTS.index("pool"))
    names = tuple(f"coil{number // VIEWS:05d}_{number % VIEWS:02d}.png" for number in range(IMAGES))
    return Images(
        samples=Samples(names, tuple(name[:9] for name in names), unlabelled=tuple(range(IMAGES))),
        decoded=SimpleNamespace(digests=np.arange(IMAGES)),  # type: ignore[arg-type]
        placed=Placed(part, is_stored=False, adds=True, note=""),
        split_file=Path("none"),
        folder=None,
        kind="multiclass",
        table=None,
        classes=("ok", "dent"),
        good_names=("ok",),
    )


def sessions(folder: Path, there: Images) -> tuple[Session, Session]:
    """Return the sessions of the audit set and of the pool, on the journals of a folder."""
    names = there.samples.names
    audit = Session(names, there.audit, Journal(folder / "audit.jsonl"), may_lose=True)
    return audit, Session(names, there.pool, Journal(folder / "session.jsonl"), may_lose=True)


def label(audit: Session, pool: Session, batches: int) -> None:
    """Ask for the audit set and batches, and tell them; further batches are asked for and wait."""
    generator = np.random.default_rng(0)
    audit.ask(lambda free: Selection(free, np.zeros(len(free))))
    tell(audit, 0)
    for number in range(batches + KEYS // BATCH):
        pool.ask(lambda free: Selection(generator.choice(free, BATCH, replace=False), np.zeros(BATCH)), number)
        if number < batches:
            tell(pool, number)


def tell(session: Session, number: int) -> None:
    """Tell all that is asked for."""
    about = {"who": "eva", "seconds": 2.0, "stage": "batch", "when": f"2026-11-29T10:00:00.{number:06d}+00:00"}
    session.tell(dict.fromkeys(session.pending.tolist(), "ok"), about)


def write_cycles(folder: Path, batches: int) -> None:
    """Write what the model has reached after each batch."""
    rows = [
        {"cycle": number, "labelled": BATCH * (number + 1), "test/accuracy": 0.5 + 0.4 * number / batches}
        for number in range(batches)
    ]
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "state.json").write_text(json.dumps({"cycles": rows}))


def took(work: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Return the seconds that some work takes."""
    began = clock()
    work()
    return clock() - began


def measure(batches: int, folder: Path, there: Images) -> Measured:
    """Return what keys take in a session with so many labelled batches."""
    write_cycles(folder, batches)
    label(*sessions(folder, there), batches)
    settings = LabelSettings(there.classes, 0, 0.0, False, "127.0.0.1", 0, open=False)
    began = time.process_time()
    desk = SessionDesk("line3", folder, there, settings, sessions(folder, there), seed=0)
    start = time.process_time() - began
    shown = desk.next("eva#1")
    keys, bars, walls = [], [], []
    for _ in range(KEYS - 1):
        assert shown is not None
        number, began, cpu = shown.number, time.perf_counter(), time.process_time()
        desk.tell("eva#1", number, "ok", 2.0, saw_guess=False)
        shown = desk.next("eva#1", number)
        desk.ahead("eva#1", AHEAD)
        keys.append(time.process_time() - cpu)
        bars.append(took(lambda: desk.progress("eva#1")))
        walls.append(time.perf_counter() - began)
    gallery = took(desk.gallery)
    key, progress, wall = (statistics.median(each) for each in (keys, bars, walls))
    return Measured(batches, start, key, progress, wall, gallery)


def document(rows: Sequence[Measured], written: str) -> str:
    """Return the results as Markdown."""
    lines = [
        "# What the desk of a labelling session needs for a key",
        "",
        f"Written by `python -m benchmarks.desk`; do not edit. {written}",
        "",
        f"A pool of {IMAGES:,} images, batches of {BATCH}, each told and learnt from before; then {KEYS - 1}",
        "images are answered one by one, by one person, without the page. CPU time, medians; the last column is",
        "from the key to the progress, the disk (an fsync an answer) included.",
        "",
        "| batches labelled | answer and next images | progress | gallery's first page | start | a key, in all |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row.batches:,} | {seconds(row.key)} | {seconds(row.progress)} | {seconds(row.gallery)} | "
            f"{seconds(row.start)} | {seconds(row.wall)} |"
            for row in rows
        ),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, and write the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("DESK.md"))
    parser.add_argument("--batches", type=int, nargs="+", default=TOLD)
    given = parser.parse_args()
    there, rows = images(), []
    for batches in given.batches:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(batches, Path(folder), there))
        print(rows[-1], flush=True)
    date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    given.out.write_text(document(rows, f"{machine.describe()} {date}."), encoding="utf-8")


if __name__ == "__main__":
    main()
