"""A desk over twelve images of four coils, without files and without a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from coilal.active.journal import Journal
from coilal.active.outputs import Selection
from coilal.active.session import Session
from coilal.common.types import Kind, Samples
from coilal.data.splits import PARTS
from coilal.data.stored_split import Placed
from coilal.labelling.desk import SessionDesk
from coilal.labelling.images import Images
from coilal.labelling.settings import LabelSettings

NAMES = tuple(f"coil{coil}_{view}.png" for coil in "abcd" for view in "123")
GROUPS = tuple(name[:5] for name in NAMES)
AUDITED = "coild"
"""The coil of the audit set."""


@dataclass
class Opened:
    """A desk and what is behind it."""

    desk: SessionDesk
    audit: Session
    pool: Session
    images: Images


def images(kind: Kind = "multiclass", classes: tuple[str, ...] = ("ok", "dent"), audit: bool = True) -> Images:
    part = [PARTS.index("test" if audit and group == AUDITED else "pool") for group in GROUPS]
    pixels = np.arange(12 * 6, dtype=np.uint8).reshape(12, 1, 2, 3)
    return Images(
        samples=Samples(NAMES, GROUPS, unlabelled=tuple(range(12))),
        decoded=SimpleNamespace(pixels=pixels, fingerprint="", digests=np.arange(12)),  # type: ignore[arg-type]
        placed=Placed(np.array(part), is_stored=False, adds=True, note=""),
        split_file=Path("none"),
        folder=None,
        kind=kind,
        table=None,
        classes=classes,
        good_names=("ok",),
    )


def opened(
    folder: Path, kind: Kind = "multiclass", audit: bool = True, reask: float = 0.0, show_guess: bool = False
) -> Opened:
    """Return a desk on the journals of a folder."""
    there = images(kind, audit=audit)
    sessions = tuple(
        Session(NAMES, ids, Journal(folder / f"{name}.jsonl"), may_lose=True)
        for name, ids in (("audit", there.audit), ("pool", there.pool))
    )
    label = LabelSettings(("ok", "dent"), 3, reask, show_guess, "127.0.0.1", 0, open=False)
    desk = SessionDesk("line3", folder, there, label, (sessions[0], sessions[1]), seed=0)
    return Opened(desk, *sessions, there)


def ask(session: Session, *numbers: int, ahead: int = 0) -> None:
    """Ask for these images."""
    ids = np.array(numbers, dtype=np.int64)
    session.ask(lambda _: Selection(ids, np.zeros(len(ids))), ahead)
