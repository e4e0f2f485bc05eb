"""What a run works with: settings, data, backbone and trainer, checked against each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from pytorch_lightning import Trainer

from coilal.features.backbone import Backbone
from coilal.runs.plan import Plan
from coilal.runs.prepare import Prepared
from coilal.runs.settings import Settings


@dataclass(frozen=True)
class Experiment:
    """What a run works with.

    Attributes:
        settings: its settings.
        plan: task, strategy and budget.
        prepared: the data.
        load_backbone: gives it with its initial weights.
        weights: their fingerprint.
        trainer: Lightning's.
        decode_s: seconds that the data took.
        reread: whether earlier versions computed other features with these weights.
    """

    settings: Settings
    plan: Plan
    prepared: Prepared
    load_backbone: Callable[[], Backbone]
    weights: str
    trainer: Trainer
    decode_s: float
    reread: bool = False

    def title(self) -> str:
        """Return what is run, for people."""
        settings = self.settings
        names = settings.task.name, settings.model.name, settings.strategy["name"]
        return " · ".join((*names, f"seed {settings.seed}"))

    @property
    def device(self) -> torch.device:
        """Where is computed."""
        device: torch.device = self.trainer.strategy.root_device
        return device

    @property
    def precision(self) -> str:
        """Lightning's own name of the precision, of which the settings know several: 32, 32-true."""
        return str(self.trainer.precision_plugin.precision)
