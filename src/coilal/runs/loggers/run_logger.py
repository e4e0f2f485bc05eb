"""What a logger may know of a run beyond the metrics of each cycle; Lightning's own loggers do without."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pytorch_lightning.loggers import Logger

from coilal.active.outputs import PoolOutputs
from coilal.active.session import Batch
from coilal.common.types import joined
from coilal.run_directory.store import RunStore


@dataclass
class Predicted:
    """What the model said of the images that were asked for last.

    Attributes:
        names: image names by id.
        labels: names of the classes or labels, by column of the logits.
        by_image: image name → predicted class, or predicted labels joined by ``+``; of the last batch only.
            Empty for a strategy that does not look at the model.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    by_image: dict[str, str] = field(default_factory=dict)

    def note(self, outputs: PoolOutputs, batch: Batch) -> None:
        """Note what the model said of a batch, whose ids are among those of ``outputs``."""
        self.by_image = {}
        if outputs.logits is not None:
            for image, row in zip(batch.ids, np.searchsorted(outputs.ids, batch.ids), strict=True):
                self.by_image[self.names[image]] = self._text(outputs.kind, outputs.logits[row])

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
