"""What each cycle of a labelling session has reached on the audit set, from its run directory.

The predictions of each cycle are kept by image, so that all cycles are measured by the answers of now, on the same
images, and two of them can be compared in pairs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from coilal.common.types import IntArray, Kind
from coilal.evidence.clustered import Gain, gain, share_interval
from coilal.evidence.proportion import exact
from coilal.run_directory.health import AUDIT_PREDICTIONS, DamagedError, read_state

METRIC: Mapping[Kind, str] = {"multiclass": "accuracy", "multilabel": "exact_match"}
MACHINE_TIMES = ("fit_s", "infer_s", "select_s")

Said = str | Sequence[str]
"""The name of a class, or the names of the labels that an image has."""


@dataclass(frozen=True)
class Point:
    """A cycle of the learning curve.

    Attributes:
        labelled: images that the model learnt from.
        value: share of the audit set that it gets right: accuracy, of labels the exact match.
        low: lower end of its 95 % interval.
        high: upper end.
        of: images that it was measured on.
        groups: that they are of; 0 where nobody knows, and the interval takes the images for independent: cycles of
            earlier versions.
    """

    labelled: int
    value: float
    low: float
    high: float
    of: int
    groups: int


@dataclass(frozen=True)
class Cycle:
    """A finished cycle, as the audit set shows it.

    Attributes:
        point: what it has reached.
        machine_s: seconds of training, scoring and selecting.
        right: whether it gets each image right, by name; of cycles of earlier versions nothing is known.
    """

    point: Point
    machine_s: float
    right: Mapping[str, bool]


@dataclass(frozen=True)
class Audit:
    """The finished cycles of a session, measured by the answers of now.

    Attributes:
        cycles: in their order.
        group: group of each image, by name.
    """

    cycles: Sequence[Cycle] = ()
    group: Mapping[str, str] | None = None

    @property
    def points(self) -> list[Point]:
        """Return the learning curve."""
        return [cycle.point for cycle in self.cycles]

    def gain(self, first: int, last: int) -> Gain | None:
        """Return what the labels between two cycles have bought, on the images that both were asked about.

        Returns:
            None where there are no such images: a cycle is of an earlier version.
        """
        before, after = self.cycles[first].right, self.cycles[last].right
        common = sorted(before.keys() & after.keys())
        if not common:
            return None
        pairs = np.array([(before[name], after[name]) for name in common], dtype=np.bool_)
        return gain(pairs[:, 0], pairs[:, 1], self._numbers(common))

    def _numbers(self, names: Sequence[str]) -> IntArray:
        assert self.group is not None
        return group_numbers([self.group[name] for name in names])


class AuditReader:
    """Reads what cycles have reached; what has not changed is not read again.

    Args:
        folder: the run directory.
        kind: of the task.
    """

    def __init__(self, folder: Path, kind: Kind) -> None:
        self._folder, self._kind = folder, kind
        self._key: object = None
        self._read = Audit()

    def read(self, told: Mapping[str, Said | None], audited: int) -> Audit:
        """Return the finished cycles; none without an audit set.

        Args:
            told: what people say now of the images of the audit set, by name; None of one without a label. Of
                images that are not among them the label counts that the last cycle knew.
            audited: images of the audit set that have a label, for cycles of which no predictions are kept.

        Raises:
            DamagedError: a file cannot be what was written there.
        """
        state, kept = self._folder / "checkpoints" / "state.json", self._folder / AUDIT_PREDICTIONS
        key = _version(state), _version(kept), dict(told), audited
        if key != self._key:
            self._key, self._read = key, _audit(state, kept, METRIC[self._kind], told, audited)
        return self._read


def _audit(state: Path, kept: Path, metric: str, told: Mapping[str, Said | None], audited: int) -> Audit:
    if not audited or not state.exists():
        return Audit()
    rows, _ = read_state(state)
    records = read_predictions(kept)
    last = records[max(records)] if records else {}
    known = dict(zip(last.get("images", ()), last.get("told", ()), strict=True))
    answers = {name: _labels(said) for name, said in {**known, **told}.items() if said is not None}
    group: dict[str, str] = {}
    for record in records.values():
        group |= zip(record["images"], record["groups"], strict=True)
    cycles = []
    for row in rows:
        found = records.get(int(row["cycle"]))
        labelled, seconds = int(row["labelled"]), sum(row.get(name, 0.0) for name in MACHINE_TIMES)
        right = {} if found is None else _right(found, answers)
        if right:
            cycles.append(Cycle(_point(labelled, right, group), seconds, right))
        elif found is None and f"test/{metric}" in row:
            cycles.append(Cycle(_point_of_share(labelled, row[f"test/{metric}"], audited), seconds, {}))
    return Audit(cycles, group)


def read_predictions(path: Path) -> dict[int, dict[str, Any]]:
    """Return what the cycles of a session have predicted of the audit set, by number of the cycle.

    A cycle that a kill has cut off was done again: its last record counts.

    Raises:
        DamagedError: a line is no such record.
    """
    content = path.read_bytes() if path.exists() else b""
    records = {}
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), start=1):
        try:
            record = json.loads(line)
            if number > 1:  # the first one says what the file is
                columns = [record[name] for name in ("images", "groups", "told", "predicted")]
                if len({len(column) for column in columns}) > 1:
                    raise ValueError("its columns are of unequal length")
                records[int(record["cycle"])] = record
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedError(path, f"line {number}: {error!r}", "bring it back from a copy") from None
    return records


def group_numbers(groups: Sequence[str]) -> IntArray:
    """Return the number of the group of each image (n)."""
    return np.asarray(np.unique(np.asarray(groups), return_inverse=True)[1], dtype=np.int64)


def _right(record: Mapping[str, Any], answers: Mapping[str, frozenset[str]]) -> dict[str, bool]:
    pairs = zip(record["images"], record["predicted"], strict=True)
    return {name: _labels(said) == answers[name] for name, said in pairs if name in answers}


def _point(labelled: int, right: Mapping[str, bool], group: Mapping[str, str]) -> Point:
    values, numbers = np.array(list(right.values()), dtype=np.bool_), group_numbers([group[name] for name in right])
    ends = share_interval(values, numbers)
    return Point(labelled, float(values.mean()), *ends, of=len(values), groups=int(numbers.max()) + 1)


def _point_of_share(labelled: int, share: float, audited: int) -> Point:
    return Point(labelled, share, *exact(round(share * audited), audited), of=audited, groups=0)


def _labels(said: Said) -> frozenset[str]:
    return frozenset([said] if isinstance(said, str) else said)


def _version(path: Path) -> tuple[int, int, int] | None:
    """Return what is another whenever a file is replaced or added to, None where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
