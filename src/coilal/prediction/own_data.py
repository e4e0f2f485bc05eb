"""The data of a run as they are now: its validation and test images, if they are still what they were."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from coilal.common.instantiate import instantiate
from coilal.common.machine import cache_folder
from coilal.common.types import DataSource, DecodedImages, IntArray, Samples, UserError
from coilal.inspection.operating_point import Classes, OperatingPoint, default_point, operating_point
from coilal.inspection.parts import PartRule, part_rule
from coilal.prediction.network import Network
from coilal.prediction.trained_run import TrainedRun
from coilal.run_directory.data_record import DataRecord, Rows, read_rows

log = logging.getLogger(__name__)


class NotAtHandError(UserError):
    """Data of the run cannot be used any more: says why, in a clause."""


@dataclass(frozen=True)
class OwnData:
    """The images of a run.

    Attributes:
        samples: names, groups and labels now.
        images: decoded, from the cache where they are there.
        before: what they were when the run was begun, by name.
    """

    samples: Samples
    images: DecodedImages
    before: Rows

    @classmethod
    def of(cls, run: TrainedRun) -> OwnData:
        """Return the data of a run.

        Raises:
            NotAtHandError: they cannot be read, or it is not known what they were.
        """
        before = read_rows(run.records / str(run.status.get("data", {}).get("record")))
        if not before:
            raise NotAtHandError(f"the record of its images is not in {run.records}")
        cache = run.settings.cache
        try:
            given = run.settings.data.source
            keeps = {"duplicates": "keep"} if "duplicates" in given else {}  # images are found by name and content
            source: DataSource = instantiate(given, **keeps)
            samples = source.read()
            images = source.decode(samples, run.settings.data.image, cache_folder(cache.dir), cache.max_gb)
        except UserError as error:
            reason = str(error).partition("\n")[0]
            raise NotAtHandError(f"its images or labels cannot be read any more ({reason})") from error
        return cls(samples, images, before)

    def ids(self, names: Sequence[str], columns: Sequence[str]) -> IntArray:
        """Return the ids of images.

        Args:
            names: of the images (n).
            columns: of the record (content, label), in which they must be as they were.

        Raises:
            NotAtHandError: some are gone, or are others than they were.
        """
        other = [name for name in names if name not in self._now or self._differs(name, columns)]
        if other:
            few = ", ".join(other[:3]) + (", …" if len(other) > 3 else "")
            raise NotAtHandError(f"{len(other)} of its {len(names)} images or their labels changed since ({few})")
        return np.array([self._place[name] for name in names], dtype=np.int64)

    def _differs(self, name: str, columns: Sequence[str]) -> bool:
        return name not in self.before or any(
            self._now[name][column] != self.before[name][column] for column in columns
        )

    @cached_property
    def _now(self) -> Rows:
        return DataRecord.of(self.samples, self.images, None).rows()

    @cached_property
    def _place(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.samples.names)}


@dataclass(frozen=True)
class Rules:
    """How images and parts are decided on.

    Attributes:
        point: of images.
        parts: of parts; None: a part is what its views are.
    """

    point: OperatingPoint
    parts: PartRule | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what whoever uses the decisions may want to know, as JSON has it."""
        of_groups = None if self.parts is None else {**asdict(self.parts.point), "top": self.parts.top}
        return {"operating_point": asdict(self.point), "operating_point_groups": of_groups}


def found_rules(run: TrainedRun, network: Network, classes: Classes, overkill: float) -> Rules:
    """Return the operating points from the validation images of a run, or what the run was scored with, and why.

    Args:
        run: the run.
        network: its model.
        classes: what the outputs mean.
        overkill: most good images, and most good parts, that may be taken for faulty, in percent.
    """
    if classes.kind == "multiclass" and classes.good is None:
        reason = "no class is known to be fault-free (data.source.good_class of the run)"
        return Rules(default_point(classes, reason))
    if not run.status.get("data", {}).get("split", {}).get("validation"):
        return Rules(default_point(classes, "the run has no validation images"))
    try:
        data = OwnData.of(run)
        names = [name for name, row in data.before.items() if row["part"] == "validation"]
        ids = data.ids(names, ("content", "label"))
        targets = run.task.targets(data.samples)
    except UserError as error:
        return Rules(default_point(classes, f"the validation images of the run are not at hand: {error}"))
    if targets.names != run.names:
        return Rules(default_point(classes, "the data of the run have other classes now"))
    ids = ids[targets.used[ids] & targets.is_labelled[ids]]
    log.info("looking for the operating point on the %d validation images of the run", len(ids))
    probabilities, values = network.probabilities(data.images, ids), targets.values[ids]
    groups = [data.samples.groups[number] for number in ids.tolist()]
    top = run.settings.inspection.top
    rule = part_rule(classes, groups, probabilities, values, overkill, top) if groups else None
    return Rules(operating_point(classes, probabilities, values, overkill), rule)
