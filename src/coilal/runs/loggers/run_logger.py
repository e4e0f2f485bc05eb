"""What a logger may know of a run beyond the metrics of each cycle; Lightning's own loggers do without."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pytorch_lightning.loggers import Logger

from coilal.run_directory.store import RunStore


@dataclass(frozen=True)
class RunInfo:
    """What a run tells its loggers before the first cycle.

    Attributes:
        config: the settings.
        identity: a short hash of settings, data and weights, the same when the run goes on.
        store: the finished cycles and the queried images, growing as the run goes on.
        metric: the task's primary metric, a column of cycles.csv.
        pixels: gives an image by its name, uint8 (H, W) or (H, W, 3).
    """

    config: Mapping[str, Any]
    identity: str
    store: RunStore
    metric: str
    pixels: Callable[[str], NDArray[np.uint8]]


class RunLogger(Logger):
    """A Lightning logger that is also told when a run begins and ends."""

    @abstractmethod
    def begin(self, run: RunInfo) -> None:
        """Take note of a run that begins or goes on, before its first ``log_metrics``."""

    @abstractmethod
    def end(self, cycles: pd.DataFrame, curve: Path) -> None:
        """Take note of the end: all cycles as in cycles.csv, and the picture of the learning curve."""
