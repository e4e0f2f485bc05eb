"""The trained model of a run: backbone, trained part and head, where this machine computes them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from pytorch_lightning import Trainer
from torch import Tensor

from coilal.common.device_memory import free_memory
from coilal.common.long_work import LongWork
from coilal.common.types import DecodedImages, FloatArray, IntArray, Kind, UserError
from coilal.features import weights as weights_files
from coilal.features.backbone import Backbone
from coilal.features.boundary import Prefix, boundary_outputs
from coilal.fit.heads import HeadShape, Optimizer
from coilal.fit.module import CoilModule
from coilal.fit.rows import Rows
from coilal.fit.scoring import at_once, evaluating, infer
from coilal.fit.trial import Trials
from coilal.prediction.trained_run import WAY_OUT, WEIGHTS, TrainedRun
from coilal.run_directory.health import DamagedError
from coilal.runs.backbones import backbone_loader, ensure_weights_fit
from coilal.runs.experiment import OnTrainer
from coilal.runs.inputs import cache_settings, outputs_key
from coilal.runs.precision import frozen_weights
from coilal.runs.settings import Settings
from coilal.runs.trainer import build_trainer, quieten_libraries

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Network(OnTrainer):
    """The trained model of a run.

    Attributes:
        run: what it is of.
        settings: those of the run, on this machine.
        trainer: Lightning's, which says where and how precisely is computed.
        backbone: with the trained weights.
        reread: whether earlier versions computed other features with these weights.
    """

    run: TrainedRun
    settings: Settings
    trainer: Trainer
    backbone: Backbone
    reread: bool

    @classmethod
    def of(cls, run: TrainedRun, accelerator: str | None = None) -> Network:
        """Return the model of a run.

        Args:
            run: the run.
            accelerator: Lightning's; None: the run's own, or the CPU where it has a GPU and this machine has none.

        Raises:
            UserError: its weights cannot be had, or are others than those of the run.
        """
        quieten_libraries()
        settings = _on_this_machine(run.settings, accelerator)
        model = settings.model
        weights_files.ensure_reachable(model.weights, model.hub, model.name)
        weights = weights_files.resolve(model.weights, model.hub, model.name)
        now, then = weights_files.fingerprint(weights), run.status.get("weights", "")
        if now != then:
            raise UserError(
                f"the weights of the backbone are not those that {run.folder} was trained with (fingerprint "
                f"{then}, now {now}); name them with model.weights=FILE"
            )
        trainer = build_trainer(settings)
        load = backbone_loader(settings, weights, now)
        reread = ensure_weights_fit(settings, weights, now, load)
        network = cls(run, settings, trainer, load(), reread)
        network._load()
        return network

    @property
    def weights(self) -> str:
        """Fingerprint of the weights that the backbone began with."""
        return str(self.run.status["weights"])

    @property
    def shape(self) -> HeadShape:
        """Return the shape of the head."""
        head = self.settings.model.head
        return HeadShape(self.backbone.features, len(self.run.names), head.hidden, head.dropout)

    def _load(self) -> None:
        """Give the backbone its trained weights.

        Raises:
            DamagedError: those of the run do not fit it, or its head.
        """
        try:
            self.backbone.trained.load_state_dict(self.run.part("trained"))
            self.shape.build().load_state_dict(self.run.part("head"))
        except RuntimeError as error:
            reason = str(error).strip().partition("\n")[0]
            raise DamagedError(
                self.run.folder / WEIGHTS, f"they do not fit the network: {reason}", WAY_OUT
            ) from None

    def probabilities(self, images: DecodedImages, ids: IntArray | None = None) -> FloatArray:
        """Return what the model gives for images, (n, C) in float64; the cache keeps outputs of its frozen part.

        Args:
            images: in the run's format (N).
            ids: int64 (n,), those that are asked for; None: all.
        """
        logits = self._logits(images, np.arange(len(images.pixels)) if ids is None else ids)
        return probabilities_of(logits, self.run.kind)

    def trials(self, images: DecodedImages) -> Trials:
        """Return what trains further heads as the run's were, on its images (N); of a frozen backbone."""
        rows, settings = self._rows(images), self.settings
        return Trials(
            module=self._module,
            rows=rows,
            batch_size=settings.model.batch_size,
            epochs=settings.trainer["max_epochs"],
            memory=int(settings.cache.memory_gb * 1e9),
            size=at_once(rows),
            precision=self.trainer.precision_plugin.forward_context,
        )

    def _rows(self, images: DecodedImages) -> Rows:
        precision = self.trainer.precision_plugin.forward_context
        weights = frozen_weights(self.precision, self.device)
        prefix = Prefix(outputs_key(self), self.settings.model.trainable, lambda: self.backbone)
        boundary = boundary_outputs(prefix, images, cache_settings(self), self.device, precision, weights=weights)
        on_gpu = self.device.type == "cuda"
        return Rows(boundary, self.device, free_memory(self.device) // 2 if on_gpu else 0)

    def _logits(self, images: DecodedImages, ids: IntArray) -> Tensor:
        precision, rows = self.trainer.precision_plugin.forward_context, self._rows(images)
        work = LongWork("predicting", len(ids), 0)

        def forward(block: Tensor) -> Tensor:
            logits = self._module.logits(block, [0])
            work.done(len(block))
            return logits[0]

        with evaluating(self._module):
            return infer(forward, rows, ids, at_once(rows), precision)

    @cached_property
    def _module(self) -> CoilModule:
        module = CoilModule(self.backbone.to(self.device), self.shape, self.run.task)
        module.hold([self.run.part("head")], [Optimizer(0.0, 0.0, 0.0)])
        shared = {name: tensor for name, tensor in self.run.tensors.items() if not name.startswith("head.")}
        module.load_state_dict(shared, strict=False)
        return module.to(self.device)


def probabilities_of(logits: Tensor, kind: Kind) -> FloatArray:
    """Return probabilities (n, C) of logits; in float64, since sure ones would tie at 1."""
    wide = logits.double()
    return (wide.softmax(1) if kind == "multiclass" else wide.sigmoid()).numpy()


def _on_this_machine(settings: Settings, accelerator: str | None) -> Settings:
    trainer = dict(settings.trainer)
    if accelerator is None and trainer["accelerator"] in ("gpu", "cuda") and not torch.cuda.is_available():
        accelerator = "cpu"
        log.info("the run was computed on a GPU, and this machine has none: the CPU computes")
    if accelerator is not None:
        trainer["accelerator"] = accelerator
    if accelerator == "cpu":
        if str(trainer["precision"]) not in ("32", "32-true"):
            log.info("the run was computed in %s, and the CPU computes in float32", trainer["precision"])
        trainer |= {"devices": 1, "precision": "32-true"}
    return replace(settings, trainer=trainer)
