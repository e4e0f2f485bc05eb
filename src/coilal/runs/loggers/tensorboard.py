"""TensorBoard: Lightning's logger, with names that show the learning curve first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pytorch_lightning.loggers import TensorBoardLogger

from coilal.runs.loggers import keys
from coilal.runs.loggers.run_logger import RunInfo, RunLogger


class TensorBoard(TensorBoardLogger, RunLogger):
    """Writes the cycles of a run as event files.

    TensorBoard shows groups of figures (what a name has before its ``/``) in the order of the alphabet: the primary
    metric is ``curve/<metric>``, and what is no metric (seconds, memory) is of the group ``run``.

    Args:
        folder: the run directory; event files go to ``tensorboard/`` in it.
    """

    def __init__(self, folder: str) -> None:
        super().__init__(folder, "tensorboard", "", default_hp_metric=False)
        self._metric = ""

    def begin(self, run: RunInfo) -> None:
        """Take note of the primary metric."""
        self._metric = run.metric

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log a cycle against its labelled images; Lightning's own metrics within a fit are left out."""
        if keys.LABELLED in metrics:
            super().log_metrics({self._tag(name): value for name, value in metrics.items()}, step)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the settings are config.yaml."""

    def end(self, cycles: pd.DataFrame, curve: Path) -> None:
        """Do nothing: all cycles are logged."""

    def _tag(self, name: str) -> str:
        if name == self._metric:
            return f"curve/{name.partition('/')[2]}"
        return name if "/" in name else f"run/{name}"
