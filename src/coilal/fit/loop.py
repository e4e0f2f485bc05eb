"""The query-retrain loop: Lightning's fit loop, repeated, and its epoch loop without what nobody asked for.

This file is the only place that touches Lightning's protected loop API (see tests/unit/fit/test_loop.py for the
list of what is touched).
"""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loops.fit_loop import _FitLoop
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop
from pytorch_lightning.plugins.precision import MixedPrecision, Precision
from pytorch_lightning.profilers import PassThroughProfiler
from pytorch_lightning.strategies import SingleDeviceStrategy
from pytorch_lightning.utilities.model_helpers import is_overridden

from coilal.common.device_memory import is_out_of_memory
from coilal.common.threads import threads_for
from coilal.fit.batches import Batches
from coilal.fit.module import CoilModule
from coilal.fit.replay import ReplayedStep
from coilal.fit.stack import Round, Stack
from coilal.fit.step import step_of

log = logging.getLogger(__name__)

STEP_HOOKS = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
)
TRANSFER_HOOKS = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")
OPTIMIZER_HOOKS = ("backward", "configure_gradient_clipping", "optimizer_step", "optimizer_zero_grad")


class LabelledData(pl.LightningDataModule):
    """Hands the labelled images of the current round to the trainer."""

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.stack = stack

    def train_dataloader(self) -> Batches:
        """Return the batches of the current round."""
        assert self.stack.batches is not None
        return self.stack.batches


def fit(trainer: pl.Trainer, module: CoilModule, stack: Stack) -> None:
    """Run all cycles of a stack that are not yet finished."""
    stack.epochs = trainer.max_epochs or 1
    module.hold([stack.runs[0].initial], [stack.runs[0].optimizer])  # Lightning wants something to train at once
    trainer.fit_loop = QueryRetrainLoop(trainer, stack)
    trainer.fit(module, datamodule=LabelledData(stack))


class QueryRetrainLoop(_FitLoop):
    """Lightning's fit loop, run once for each cycle of a stack of runs, from the same initial weights.

    Replaces the trainer's own: ``trainer.fit_loop = QueryRetrainLoop(trainer, stack)``.
    """

    def __init__(self, trainer: pl.Trainer, stack: Stack) -> None:
        stock = trainer.fit_loop
        super().__init__(trainer, min_epochs=stock.min_epochs, max_epochs=stock.max_epochs)
        steps = stock.epoch_loop.min_steps, stock.epoch_loop.max_steps
        self.epoch_loop: LeanEpochLoop = LeanEpochLoop(trainer, *steps)
        self.stack = stack

    def run(self) -> None:
        """Run all cycles that are not yet finished."""
        # Signals belong to who started the process: coilal.common.signals, or submitit, which passes over SIGTERM.
        # Lightning would end the fit at the next batch, with exit code 0.
        self.trainer._signal_connector.teardown()
        module: Any = self.trainer.lightning_module
        initial = {name: tensor.clone() for name, tensor in module.shared_state().items()}
        callbacks = [(callback, copy.deepcopy(callback.state_dict())) for callback in self._callbacks]
        precision = self.trainer.precision_plugin  # has a scale of the loss under 16-mixed
        scale = copy.deepcopy(precision.state_dict())
        with threads_for(self.stack.rows.boundary, module.device):
            for round_ in self.stack.rounds():
                module.load_state_dict(initial, strict=False)  # the heads are the stack's
                for callback, state in callbacks:
                    callback.load_state_dict(copy.deepcopy(state))
                precision.load_state_dict(copy.deepcopy(scale))
                try:
                    self._run_round(round_, module)
                    continue
                except Exception as error:
                    if not (is_out_of_memory(error) and self.stack.can_back_off(round_)):
                        raise
                self.stack.back_off(round_)  # here, where the error is gone, and with it the tensors of its frames

    def _run_round(self, round_: Round, module: Any) -> None:
        round_.load(module)
        self._forget_last_fit()
        self.stack.begin(round_, module)
        with self.stack.timed("fit", round_), no_search_for_gpus(module.device):
            module.train()
            super().run()
        self.stack.end(round_, module)

    @property
    def _callbacks(self) -> list[pl.Callback]:
        return self.trainer.callbacks  # type: ignore[attr-defined, no-any-return]

    def _forget_last_fit(self) -> None:
        self.trainer.strategy.setup_optimizers(self.trainer)
        self.trainer.should_stop = False
        self.epoch_progress.reset()
        self.epoch_loop.reset_restart_stage()
        self.epoch_loop.replayed = None  # its parameters and its optimizer were those of the last fit
        self.reset_restart_stage()
        self._restarting = False
        self._combined_loader = self._data_fetcher = None  # they hold the last cycle's images
        self.epoch_loop.val_loop._combined_loader = None

    def _warn_if_modules_in_eval_mode(self) -> None:
        """Do nothing: frozen BatchNorm layers are in eval mode on purpose."""


class LeanEpochLoop(_TrainingEpochLoop):
    """Lightning's epoch loop; where nobody listens to single steps, the steps without the listening.

    For a small head Lightning's bookkeeping of a step takes as long as the step. Hooks of the epoch and of
    the fit are Lightning's own in either case. Whatever ``needs_of_a_step`` finds brings the stock loop back.

    Attributes:
        needs: what it has found for the epoch that is running.
        replayed: the step of heads alone on a GPU, for the fit that is running.
    """

    needs: Sequence[str] = ()
    replayed: ReplayedStep | None = None

    def run(self, data_fetcher: Any) -> None:
        """Train for one epoch."""
        # In each epoch: a callback may begin to accumulate in a later one.
        self.needs = needs_of_a_step(self.trainer)
        if self.needs:
            log.debug("Lightning's own training step is used, for %s", ", ".join(self.needs))
            super().run(data_fetcher)
            return
        self.reset()
        self._count(self._train())

    def _train(self) -> int:
        """Run the steps of an epoch; return how many there were."""
        trainer: Any = self.trainer
        (optimizer,) = trainer.optimizers
        module = trainer.lightning_module
        step = step_of(module, optimizer, trainer.precision_plugin.train_step_context)
        if module.device.type == "cuda" and not len(module.trained):
            self.replayed = self.replayed or ReplayedStep(step)
        for batch in trainer.train_dataloader:
            (self.replayed or step)(batch)
        return len(trainer.train_dataloader)

    def _count(self, steps: int) -> None:
        self.batch_progress.increment_by(steps, is_last_batch=True)
        self.automatic_optimization.optim_progress.optimizer.step.increment_by(steps)
        self._batches_that_stepped += steps


def needs_of_a_step(trainer: Any) -> list[str]:
    """Name what was asked of a ``pl.Trainer`` that only Lightning's own training step does."""
    module, plugin = trainer.lightning_module, trainer.precision_plugin
    plain_precision = type(plugin) is Precision or (type(plugin) is MixedPrecision and plugin.scaler is None)
    settings = {
        "accumulate_grad_batches": trainer.accumulate_grad_batches != 1,
        "gradient_clip_val": bool(trainer.gradient_clip_val),
        "limit_train_batches": trainer.num_training_batches != len(trainer.train_dataloader),
        "max_steps": trainer.max_steps != -1,
        "precision": not plain_precision,
        "profiler": not isinstance(trainer.profiler, PassThroughProfiler),
        "strategy": type(trainer.strategy) is not SingleDeviceStrategy,
        "validation": trainer.enable_validation,
        "manual optimization": not module.automatic_optimization,
        "learning-rate schedules": bool(trainer.lr_scheduler_configs),
    }
    listeners: list[tuple[Any, tuple[str, ...]]] = [
        *((callback, STEP_HOOKS) for callback in trainer.callbacks),
        (module, STEP_HOOKS + TRANSFER_HOOKS + OPTIMIZER_HOOKS),
        (trainer.datamodule, TRANSFER_HOOKS),
    ]
    return [name for name, wanted in settings.items() if wanted] + [
        f"{type(listener).__name__}.{hook}"
        for listener, hooks in listeners
        for hook in hooks
        if is_overridden(hook, listener)
    ]


@contextmanager
def no_search_for_gpus(device: torch.device) -> Iterator[None]:
    """Train on the CPU without torch looking for a GPU driver in every optimizer step."""
    name = "CUDA_VISIBLE_DEVICES"
    before = os.environ.get(name)
    if device.type == "cpu":
        os.environ[name] = ""
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before
