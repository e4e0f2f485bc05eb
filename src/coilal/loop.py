"""The query-retrain loop: what happens between two fits, and the Lightning loop that repeats the fits.

``ActiveLearning`` holds everything that is not Lightning: which images are labelled, what is evaluated
and asked after a fit, what is recorded. ``QueryRetrainLoop`` is the only place that touches Lightning's
protected loop API (see tests/unit/test_loop.py for the list of what is touched).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.loops.fit_loop import _FitLoop
from torch import Tensor, nn

from coilal.pool import Pool
from coilal.types import ImageArray, IntArray, Kind, PoolOutputs, Selection, UserError

Row = dict[str, float]


class Batches:
    """Shuffled mini-batches of the labelled images, without loader processes.

    Each epoch has an order of its own that depends only on the seed and the number of the epoch, so an
    interrupted run that repeats a cycle sees the same batches.

    Args:
        boundary: outputs of the frozen prefix, row i for id i.
        ids: int64 (n,), the labelled images.
        values: their labels, int64 (n,) or (n, L).
        size: images per batch; the last batch of an epoch may be smaller.
        seed: seed of the shuffling.
    """

    def __init__(
        self, boundary: ImageArray, ids: IntArray, values: NDArray[np.int64], size: int, seed: int
    ) -> None:
        self.boundary, self.ids, self.size = boundary, ids, size
        self.values = torch.from_numpy(values)
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return -(-len(self.ids) // self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.ids), generator=self.generator)
        for first in range(0, len(order), self.size):
            rows = order[first : first + self.size]
            yield torch.from_numpy(self.boundary[self.ids[rows.numpy()]]), self.values[rows]


class LabelledData(pl.LightningDataModule):
    """Hands the labelled images of the current cycle to the trainer."""

    def __init__(self, learning: ActiveLearning) -> None:
        super().__init__()
        self.learning = learning

    def train_dataloader(self) -> Batches:
        """Return the batches of the current cycle."""
        assert self.learning.batches is not None
        return self.learning.batches


class RetrainedModule(Protocol):
    """What the loop needs of the module, besides being an nn.Module."""

    def weigh_classes(self, values: NDArray[np.int64]) -> None:
        """Set loss weights from the labelled values."""
        ...


class Oracle(Protocol):
    """Knows the labels and gives them on request."""

    def reveal(self, ids: IntArray) -> NDArray[np.int64]:
        """Return the labels of the images."""
        ...


class Store(Protocol):
    """Keeps what a run has finished; a committed cycle survives any kill."""

    @property
    def finished(self) -> int:
        """Return the number of finished cycles."""
        ...

    def record(self, row: Row, logits: Mapping[str, Tensor], module: nn.Module, last: bool) -> None:
        """Record a finished cycle."""
        ...

    def queried(self, cycle: int, selection: Selection) -> None:
        """Note the images that enter the labelled set with ``cycle``; kept with the next commit."""
        ...


class Progress(Protocol):
    """Tells a person what is going on."""

    def phase(self, name: str) -> None:
        """Name the phase that begins."""
        ...

    def cycle_done(self, cycle: int, labelled: int, metrics: Mapping[str, float]) -> None:
        """Show the result of a cycle."""
        ...


@dataclass
class ActiveLearning:
    """One active-learning run, apart from the training itself.

    Attributes:
        pool: which images are labelled; on resume it holds the batches that are already bought.
        oracle: gives labels.
        boundary: outputs of the frozen prefix, row i for id i.
        kind: multiclass or multilabel.
        counts: labelled images after each cycle, the starting set first.
        select: (cycle, pool outputs, batch size) → the images that enter with that cycle.
        needs_logits: whether ``select`` looks at logits; if not, the pool is not scored.
        evaluated: the parts that are scored after each fit, by name (``test``, ``val``).
        evaluate: (part, logits) → metrics.
        names: image names by id, for error messages.
        store: keeps what is finished.
        progress: shows what goes on.
        seed: training seed.
        batch_size: images per training batch.
        inference_batch: images per inference batch.
        precision: context for inference (autocast).
    """

    pool: Pool
    oracle: Oracle
    boundary: ImageArray
    kind: Kind
    counts: tuple[int, ...]
    select: Callable[[int, PoolOutputs, int], Selection]
    needs_logits: bool
    evaluated: Mapping[str, IntArray]
    evaluate: Callable[[str, Tensor], Row]
    names: tuple[str, ...]
    store: Store
    progress: Progress
    seed: int
    batch_size: int
    inference_batch: int
    precision: Callable[[], AbstractContextManager[Any]]
    batches: Batches | None = None
    _clock: dict[str, float] = field(default_factory=dict)

    def cycles(self) -> Iterator[int]:
        """Yield the cycles that are still to be run."""
        yield from range(self.store.finished, len(self.counts))

    def begin(self, cycle: int, module: RetrainedModule) -> None:
        """Prepare the fit of a cycle: its batches, its loss weights, its random numbers."""
        self._clock = {}
        ids = self.pool.labelled
        values = self.oracle.reveal(ids)
        seed = cycle_seed(self.seed, cycle)
        torch.manual_seed(seed)  # dropout
        self.batches = Batches(self.boundary, ids, values, self.batch_size, seed)
        module.weigh_classes(values)
        self.progress.phase("fit")

    def end(self, cycle: int, module: pl.LightningModule, fit_s: float) -> Row:
        """Evaluate the trained module, choose the next images and record the cycle; return its row."""
        self._clock["fit_s"] = fit_s
        labelled = len(self.pool.labelled)
        logits, metrics = self._evaluate(cycle, module)
        last = cycle + 1 == len(self.counts)
        if not last:
            self._query(cycle, module)
        row: Row = {"cycle": cycle, "labelled": labelled, **metrics, **self._times()}
        with self._timed("write"):
            self.store.record(row, logits, module, last)
        self.progress.cycle_done(cycle, labelled, metrics)
        return row

    def _evaluate(self, cycle: int, module: pl.LightningModule) -> tuple[dict[str, Tensor], Row]:
        metrics: Row = {}
        logits = {}
        with self._timed("evaluate"):
            for part, ids in self.evaluated.items():
                logits[part] = self._logits(cycle, module, ids)
                metrics |= {f"{part}/{name}": value for name, value in self.evaluate(part, logits[part]).items()}
        return logits, metrics

    def _query(self, cycle: int, module: pl.LightningModule) -> None:
        ids = self.pool.unlabelled
        scores = None
        if self.needs_logits:
            with self._timed("infer"):
                scores = self._logits(cycle, module, ids).numpy()
        with self._timed("select"):
            wanted = self.counts[cycle + 1] - self.counts[cycle]
            selection = self.select(cycle + 1, PoolOutputs(self.kind, ids, scores), wanted)
        self.pool.label(selection.ids)
        self.store.queried(cycle + 1, selection)

    def _logits(self, cycle: int, module: pl.LightningModule, ids: IntArray) -> Tensor:
        logits = infer(module, self.boundary, ids, self.inference_batch, self.precision)
        wrong = ~torch.isfinite(logits).flatten(1).all(1)
        if wrong.any():
            where = self.names[ids[int(wrong.nonzero()[0])]]
            raise UserError(
                f"cycle {cycle}: the model gives NaN or infinite outputs for {int(wrong.sum())} of {len(ids)} "
                f"images, the first is {where}. Training diverged: lower model.optimizer.lr_head and lr_backbone, "
                "or use trainer.precision=32-true."
            )
        return logits

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        self.progress.phase(phase)
        start = time.perf_counter()
        yield
        self._clock[f"{phase}_s"] = time.perf_counter() - start

    def _times(self) -> Row:
        phases = ("fit_s", "infer_s", "select_s", "evaluate_s")
        return {phase: self._clock.get(phase, 0.0) for phase in phases}


class QueryRetrainLoop(_FitLoop):
    """Lightning's fit loop, run once per cycle from the same initial weights.

    Replaces the trainer's own: ``trainer.fit_loop = QueryRetrainLoop(trainer, learning)``.
    """

    def __init__(self, trainer: pl.Trainer, learning: ActiveLearning) -> None:
        stock = trainer.fit_loop
        super().__init__(trainer, min_epochs=stock.min_epochs, max_epochs=stock.max_epochs)
        self.epoch_loop = stock.epoch_loop
        self.learning = learning

    def run(self) -> None:
        """Run all cycles that are not yet finished."""
        module: Any = self.trainer.lightning_module
        initial = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        callbacks = [(callback, copy.deepcopy(callback.state_dict())) for callback in self._callbacks]
        for cycle in self.learning.cycles():
            module.load_state_dict(initial)
            for callback, state in callbacks:
                callback.load_state_dict(copy.deepcopy(state))
            self._forget_last_fit()
            self.learning.begin(cycle, module)
            start = time.perf_counter()
            module.train()
            super().run()
            row = self.learning.end(cycle, module, time.perf_counter() - start)
            for logger in self.trainer.loggers:
                logger.log_metrics(row, step=int(row["labelled"]))

    @property
    def _callbacks(self) -> list[pl.Callback]:
        return self.trainer.callbacks  # type: ignore[attr-defined, no-any-return]

    def _forget_last_fit(self) -> None:
        self.trainer.strategy.setup_optimizers(self.trainer)
        self.trainer.should_stop = False
        self.epoch_progress.reset()
        self.epoch_loop.reset_restart_stage()
        self.reset_restart_stage()
        self._restarting = False
        self._combined_loader = None
        self.epoch_loop.val_loop._combined_loader = None

    def _warn_if_modules_in_eval_mode(self) -> None:
        """Do nothing: frozen BatchNorm layers are in eval mode on purpose."""


def infer(
    module: pl.LightningModule,
    boundary: ImageArray,
    ids: IntArray,
    batch_size: int,
    precision: Callable[[], AbstractContextManager[Any]],
    forward: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Return the logits (n, C) of the given images, float32 on the CPU; leaves the module's modes as they were.

    ``forward`` stands in for the module itself, to look at what one of its parts returns.

    By hand, because ``trainer.predict`` inside ``fit`` would reset the state of the running fit.
    """
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    logits = []
    try:
        with torch.inference_mode(), precision():
            for first in range(0, len(ids), batch_size):
                rows = torch.from_numpy(boundary[ids[first : first + batch_size]])
                logits.append((forward or module)(rows.to(module.device)).float())
            return torch.cat(logits).cpu() if logits else torch.empty(0, 1)
    finally:
        for part, training in modes:
            part.training = training


def cycle_seed(seed: int, cycle: int) -> int:
    """Return the seed of a cycle's shuffling and dropout, independent of the cycles before it."""
    return int(np.random.SeedSequence([seed, cycle]).generate_state(1)[0])
