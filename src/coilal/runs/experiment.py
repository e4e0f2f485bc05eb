"""What a run works with: settings, data, backbone and trainer, checked against each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.loggers import Logger
from torch import Tensor

from coilal.active.session import Session
from coilal.common.types import IntArray
from coilal.features.backbone import Backbone
from coilal.runs.plan import Plan
from coilal.runs.prepare import Prepared
from coilal.runs.settings import Settings


class Annotator(Protocol):
    """Who answers in place of the simulated oracle: people, who take their time.

    Attributes:
        session: asks them; it is kept, and locked, by whoever made it.
    """

    session: Session

    def answer(self, session: Session, number: int) -> None:
        """Return when the images of a batch are answered."""
        ...

    def told(self) -> str:
        """Return how much is told so far, for who watches the terminal."""
        ...

    def note(self, ids: IntArray, logits: Tensor) -> None:
        """Take down what the model says of images: their ids (n,) and its logits (n, C)."""
        ...


class OnTrainer:
    """Has a trainer, which says where and how precisely is computed."""

    trainer: Trainer

    @property
    def device(self) -> torch.device:
        """Where is computed."""
        device: torch.device = self.trainer.strategy.root_device
        return device

    @property
    def precision(self) -> str:
        """Lightning's own name of the precision, of which the settings know several: 32, 32-true."""
        return str(self.trainer.precision_plugin.precision)


@dataclass(frozen=True, eq=False)
class Experiment(OnTrainer):
    """What a run works with.

    Attributes:
        settings: its settings.
        plan: task, strategy and budget.
        prepared: the data.
        load_backbone: gives it with its initial weights.
        weights: their fingerprint.
        trainer: Lightning's, as the settings have it built: it says where and how precisely is computed.
        loggers: where metrics go besides the run directory.
        decode_s: seconds that the data took.
        reread: whether earlier versions computed other features with these weights.
        annotator: who answers; None for the simulated oracle, who knows all labels.
    """

    settings: Settings
    plan: Plan
    prepared: Prepared
    load_backbone: Callable[[], Backbone]
    weights: str
    trainer: Trainer
    loggers: Sequence[Logger]
    decode_s: float
    reread: bool = False
    annotator: Annotator | None = None

    def budget_and_split(self) -> tuple[Any, ...]:
        """Return what the data make of the settings: labelled counts, parts of the split, classes."""
        parts = [(name, ids.tobytes()) for name, ids in self.prepared.split.parts()]
        return (self.plan.counts(len(self.prepared.split.pool)), *parts, self.prepared.targets.names)
