"""Runs that earlier versions have stored without a record of their data: what they kept of labels is compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from coilal.common.types import Problem, joined
from coilal.common.unreadable import UNREADABLE
from coilal.run_directory.data_record import DataRecord, Rows
from coilal.run_directory.store import read_queries


def known_labels(folder: Path) -> dict[str, str]:
    """Return the labels that a run kept, by image: those of the queries and of the test split."""
    queries = read_queries(folder)
    return _tested(folder / "predictions.npz") | dict(zip(queries["image"], queries["label"], strict=True))


def contradictions(known: dict[str, str], rows: Rows) -> list[Problem]:
    """Return the images of a run that a record lacks or has with another label."""
    found = {
        "images that are gone": [name for name in known if name not in rows],
        "labels that changed": [
            f"{name}: {label} → {rows[name]['label']}"
            for name, label in known.items()
            if name in rows and rows[name]["label"] != label
        ],
    }
    return [Problem(kind, tuple(places)) for kind, places in found.items() if places]


def changed(folder: Path, record: DataRecord) -> list[Problem]:
    """Return what changed, of the images whose labels a run kept."""
    return contradictions(known_labels(folder), record.rows())


def _tested(path: Path) -> dict[str, str]:
    """Return the labels in predictions.npz, nothing where it cannot be read: a run in its first cycle has none."""
    try:
        with np.load(path) as stored:
            images, targets, names = (stored[name] for name in ("images", "targets", "names"))
    except UNREADABLE:
        return {}
    if targets.ndim == 1:
        return dict(zip(images.tolist(), names[targets].tolist(), strict=True))
    shown = (joined(names.tolist(), row == 1) for row in targets)
    return dict(zip(images.tolist(), shown, strict=True))
