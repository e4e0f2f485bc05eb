"""The data of a run as they are now: its validation and test images, if they are still what they were."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from coilal.common.instantiate import instantiate
from coilal.common.machine import cache_folder
from coilal.common.types import DataSource, DecodedImages, IntArray, Samples, UserError
from coilal.prediction.network import Network
from coilal.prediction.operating_point import Classes, OperatingPoint, default_point, operating_point
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
            source: DataSource = instantiate(run.settings.data.source)
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


def found_point(run: TrainedRun, network: Network, classes: Classes, overkill: float) -> OperatingPoint:
    """Return the operating point from the validation images of a run, or what the run was scored with, and why.

    Args:
        run: the run.
        network: its model.
        classes: what the outputs mean.
        overkill: most good images that may be taken for faulty, in percent.
    """
    if classes.kind == "multiclass" and classes.good is None:
        return default_point(classes, "no class is known to be fault-free (data.source.good_class of the run)")
    if not run.status.get("data", {}).get("split", {}).get("validation"):
        return default_point(classes, "the run has no validation images")
    try:
        data = OwnData.of(run)
        names = [name for name, row in data.before.items() if row["part"] == "validation"]
        ids = data.ids(names, ("content", "label"))
        targets = run.task.targets(data.samples)
    except UserError as error:
        return default_point(classes, f"the validation images of the run are not at hand: {error}")
    if targets.names != run.names:
        return default_point(classes, "the data of the run have other classes now")
    ids = ids[targets.used[ids] & targets.is_labelled[ids]]
    log.info("looking for the operating point on the %d validation images of the run", len(ids))
    return operating_point(classes, network.probabilities(data.images, ids), targets.values[ids], overkill)
