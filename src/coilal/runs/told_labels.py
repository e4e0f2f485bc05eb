"""Labels that the data have otherwise since a run was told them: it trains on what it was told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coilal.active.journal import Journal
from coilal.active.labels import as_labels, as_text
from coilal.run_directory import data_record
from coilal.run_directory.data_record import DataRecord
from coilal.run_directory.health import REPLACE, SESSION

if TYPE_CHECKING:
    from coilal.active.oracle import Oracle
    from coilal.active.session import Session
    from coilal.runs.prepare import Prepared


def differing(session: Session, prepared: Prepared, oracle: Oracle) -> tuple[str, ...]:
    """Return ``image: label that was told → label now`` of each image of which the oracle now tells another."""
    ids, told = session.labelled
    targets, names = prepared.targets, prepared.samples.names
    there = ids[targets.is_labelled[ids]]
    now = dict(zip(there.tolist(), as_labels(oracle.told(there), targets.names), strict=True))
    return tuple(
        f"{names[image]}: {as_text(label)} → {as_text(now[image]) if image in now else '(none)'}"
        for image, label in zip(ids.tolist(), told, strict=True)
        if label != now.get(image)
    )


def only_told_changed(folder: Path, begun: Mapping[str, Any], record: DataRecord, records: Path) -> bool:
    """Return whether labels changed after they were told, and nothing else has since a run was begun.

    Such a change has no effect on the run: what was told is told, and nobody looks at these labels again. A label
    that is not told yet, or that is scored, is another matter.

    Args:
        folder: the run directory.
        begun: ``data`` of its status.json.
        record: the data now.
        records: the folder of the study's records.
    """
    before = data_record.read_rows(records / str(begun.get("record")))
    answers = (entry.get("told") for entry in Journal(folder / SESSION, REPLACE).read())
    told = {name for each in answers if isinstance(each, dict) for name in each}  # the session refuses what is none
    as_told = tuple(
        before[name]["label"] if name in told and name in before else label
        for name, label in zip(record.names, record.labels, strict=True)
    )
    as_begun = replace(record, labels=as_told).aspects
    return as_told != record.labels and not data_record.differing_aspects(begun, as_begun)
