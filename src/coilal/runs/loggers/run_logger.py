"""What a logger may know of a run beyond the metrics of each cycle; Lightning's own loggers do without."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pytorch_lightning.loggers import Logger

from coilal.common.types import PoolOutputs, Selection, joined
from coilal.run_directory.store import RunStore

Select = Callable[[int, PoolOutputs, int], Selection]


@dataclass
class Predicted:
    """A strategy that remembers what the model said of the images it chose.

    Attributes:
        select: (cycle, pool outputs, batch size) → the images that enter with that cycle.
        names: image names by id.
        labels: names of the classes or labels, by column of the logits.
        by_image: image name → predicted class, or predicted labels joined by ``+``; of the last batch only.
            Empty for a strategy that does not look at the model.
    """

    select: Select
    names: tuple[str, ...]
    labels: tuple[str, ...]
    by_image: dict[str, str] = field(default_factory=dict)

    def __call__(self, cycle: int, outputs: PoolOutputs, size: int) -> Selection:
        """Return the selection of ``select``."""
        selection = self.select(cycle, outputs, size)
        self.by_image = {}
        if outputs.logits is not None:
            rows = {image: row for row, image in enumerate(outputs.ids)}
            for image in selection.ids:
                self.by_image[self.names[image]] = self._text(outputs.kind, outputs.logits[rows[image]])
        return selection

    def _text(self, kind: str, logits: np.ndarray[Any, Any]) -> str:
        if kind == "multiclass":
            return self.labels[int(logits.argmax())]
        return joined(self.labels, logits > 0)  # a probability above one half


@dataclass(frozen=True)
class RunInfo:
    """What a run tells its loggers before the first cycle.

    Attributes:
        config: the settings.
        identity: a short hash of settings, data and weights, the same when the run goes on.
        store: the finished cycles and the queried images, growing as the run goes on.
        metric: the task's primary metric, a column of cycles.csv.
        predicted: what the model said of the batch chosen last, by image name.
    """

    config: Mapping[str, Any]
    identity: str
    store: RunStore
    metric: str
    predicted: Predicted


class RunLogger(Logger):
    """A Lightning logger that is also told when a run begins and ends."""

    @abstractmethod
    def begin(self, run: RunInfo) -> None:
        """Take note of a run that begins or goes on, before its first ``log_metrics``."""

    @abstractmethod
    def end(self, cycles: pd.DataFrame, curve: Path) -> None:
        """Take note of the end: all cycles as in cycles.csv, and the picture of the learning curve."""
