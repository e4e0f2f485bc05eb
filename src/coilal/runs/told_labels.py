"""Labels that the data have otherwise since a run was told them: it trains on what it was told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from coilal.active.journal import Journal
from coilal.run_directory import data_record
from coilal.run_directory.data_record import DataRecord
from coilal.run_directory.health import SESSION


def told_otherwise(folder: Path, begun: Mapping[str, Any], record: DataRecord, records: Path) -> tuple[str, ...]:
    """Return the images whose label changed after it was told, if nothing else has changed since.

    Such a change has no effect on the run: what was told is told, and nobody looks at these labels again. A label
    that is not told yet, or that is scored, is another matter.

    Args:
        folder: the run directory.
        begun: ``data`` of its status.json.
        record: the data now.
        records: the folder of the study's records.

    Returns:
        ``image: label that was told → label now``, one for each; () where more has changed, or nothing.
    """
    before = data_record.read_rows(records / str(begun.get("record")))
    told = {name for entry in Journal(folder / SESSION).read() for name in entry.get("told", ())}
    as_told = tuple(
        before[name]["label"] if name in told and name in before else label
        for name, label in zip(record.names, record.labels, strict=True)
    )
    if as_told == record.labels:
        return ()
    if data_record.differing_aspects(begun, replace(record, labels=as_told).aspects):
        return ()
    pairs = zip(record.names, as_told, record.labels, strict=True)
    return tuple(f"{name}: {old} → {new or '(none)'}" for name, old, new in pairs if old != new)
