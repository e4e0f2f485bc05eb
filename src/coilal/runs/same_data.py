"""Whether a run directory's data are those of now: compared before anything in it is overwritten."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coilal.common.types import Problem, UserError
from coilal.features.weights import are_at_hand, fingerprint, resolve
from coilal.run_directory import data_record
from coilal.run_directory.files import beside, has_cycles, read_status
from coilal.run_directory.health import DamagedError
from coilal.runs.told_labels import only_told_changed

if TYPE_CHECKING:
    from coilal.run_directory.data_record import DataRecord
    from coilal.runs.prepare import Prepared
    from coilal.runs.settings import Settings

log = logging.getLogger(__name__)

WAYS_OUT = (
    "Bring the data back as they were, give the changed data another study=…, or do this run again with force=true."
)


class Now:
    """The data as they are now, read once for all runs of the same settings.

    Args:
        decode: whether images that are not in the cache are decoded to compare them.
    """

    def __init__(self, decode: bool = True) -> None:
        self._decode = decode
        self._read: dict[str, DataRecord | None] = {}

    def of(self, settings: Settings) -> DataRecord | None:
        """Return the record of a run's data; None, and a line, where they can no longer be read."""
        key = json.dumps([settings.data.given, settings.cache.dir], sort_keys=True)
        if key not in self._read:
            self._read[key] = self._record(settings)
        return self._read[key]

    def _record(self, settings: Settings) -> DataRecord | None:
        from coilal.runs.prepare import read_data  # the tables

        try:
            return read_data(settings, self._decode)
        except UserError as error:
            log.warning("finished runs are not compared with their data, which cannot be read: %s", error)
            return None


def ensure_of_finished(settings: Settings, folder: Path, now: Now) -> None:
    """Refuse to skip a finished run whose images, labels, groups or weights have changed since.

    Raises:
        UserError: says what changed.
    """
    record = now.of(settings)
    if record is None:
        return
    status = read_status(folder)
    problems = [*_since(folder, status, record, settings), *_other_weights(status, _weights_now(settings))]
    if problems:
        raise _refusal("the run is finished, with other data or weights", problems)


def _since(folder: Path, status: Mapping[str, Any], record: DataRecord, settings: Settings) -> list[Problem]:
    """Return what changed since a run of this version, or of an earlier one, was begun."""
    problems = changed(status, record, settings.records)
    if not record.aspects.get("parts"):
        begun = status.get("data", {})
        before = data_record.read_rows(settings.records / str(begun.get("record")))
        problems += data_record.given_split_changes(begun, record, before)
    if not problems and "labels" not in status.get("data", {}):
        from coilal.run_directory import earlier

        return earlier.changed(folder, record)
    return problems


def ensure_of_begun(settings: Settings, folder: Path, prepared: Prepared, weights: str) -> None:
    """Refuse to go on with a run whose data or weights are not those it was begun with.

    Labels that it was told may have changed since, as it trains on what it was told; see ``runs.told_labels``.

    Args:
        settings: those of the run.
        folder: its directory.
        prepared: the data now.
        weights: fingerprint of the weights now.

    Raises:
        UserError: says what changed.
    """
    status = read_status(folder)
    if not has_cycles(folder):
        return  # there is nothing to mix
    problems = _since(folder, status, prepared.record, settings)
    if problems and only_told_changed(folder, status.get("data", {}), prepared.record, settings.records):
        problems = []
    problems += _other_weights(status, weights)
    if problems:
        raise _refusal(f"{folder} holds a run that was begun with other data or weights", problems)


def ensure_of_replayed(settings: Settings, source: Path, prepared: Prepared) -> None:
    """Refuse to replay the selection of a run that had other data.

    Args:
        settings: those of the run.
        source: directory of the run whose selection is replayed.
        prepared: the data now.

    Raises:
        UserError: says what changed.
    """
    record = replace(prepared.record, parts=("",) * len(prepared.samples))  # another task may leave images out
    if problems := changed(read_status(source), record, settings.records):
        raise _refusal(f"task={settings.task.name} replays {source}, which has other data", problems)


def changed(status: Mapping[str, Any], record: DataRecord, records: Path) -> list[Problem]:
    """Return what changed since a run was begun, as far as it is known now.

    Args:
        status: its status.json.
        record: the data now.
        records: the folder of the study's records.
    """
    now = record.aspects
    begun = status.get("data", {})
    differing = data_record.differing_aspects(begun, now)
    if not differing:
        return []
    before = data_record.read_rows(records / str(begun.get("record")))
    columns = [column for aspect, column in data_record.COLUMN_OF.items() if aspect in now]
    return data_record.changes(before, record.rows(), columns) if before else [_unnamed(differing)]


def _other_weights(status: Mapping[str, Any], now: str | None) -> list[Problem]:
    begun = status.get("weights")
    if begun is None or now is None or begun == now:
        return []
    return [Problem(f"the weights of model.weights changed (fingerprint {begun} → {now})")]


def _weights_now(settings: Settings) -> str | None:
    """Return the fingerprint of the weights, None where they cannot be had: a finished run needs them no more."""
    if not are_at_hand(settings.model.weights, settings.model.hub):
        return None
    try:
        return fingerprint(resolve(settings.model.weights, settings.model.hub, settings.model.name))
    except UserError as error:
        log.warning("the weights are not compared: %s", error)
        return None


def _unnamed(differing: Sequence[str]) -> Problem:
    return Problem(f"changed, of the data: {', '.join(differing)} (no record says in which images)")


def tell_of_other_runs(settings: Settings, folder: Path, prepared: Prepared) -> None:
    """Say that the study has runs of other data, with which the report will not compare this one.

    Args:
        settings: those of the run.
        folder: its directory.
        prepared: the data now.
    """
    for path in beside(settings.outputs / settings.study, settings.run_name()):
        if path == folder and settings.force:  # it is to be replaced
            continue
        try:
            status = read_status(path)
        except DamagedError:  # status and report name it; this run is another one
            continue
        if problems := changed(status, prepared.record, settings.records):
            begun = data_record.read_rows(settings.records / str(status.get("data", {}).get("record")))
            if begun and not begun.keys() & set(prepared.record.names):
                log.warning(
                    "study=%s has runs of another data set, no image of which is in this one: "
                    "give this one another study=…",
                    settings.study,
                )
                return
            what = "\n".join(problem.describe() for problem in problems)
            log.warning("other data than %s has, and the report compares runs of equal data:\n%s", path, what)
            return


def _refusal(what: str, problems: Sequence[Problem]) -> UserError:
    described = "\n".join(problem.describe() for problem in problems)
    return UserError(f"{what} (there → now):\n{described}\n{WAYS_OUT}")
