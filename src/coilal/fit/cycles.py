"""One active-learning run, apart from the training: what is labelled, scored, asked for and recorded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coilal.active.labels import Label
from coilal.active.session import Batch, Session
from coilal.common.types import ImageArray, IntArray, Kind, PoolOutputs, Selection, UserError
from coilal.fit.batches import Batches, infer
from coilal.fit.measure import peak_memory, reset_peak_memory, seconds

Row = dict[str, float]

PREPARATION = ("decode_s", "extract_s")
PHASES = ("fit", "infer", "select", "evaluate")


class RetrainedModule(Protocol):
    """What the loop needs of the module, besides being an nn.Module."""

    @property
    def device(self) -> torch.device:
        """Return where the parameters are."""
        ...

    def weigh_classes(self, values: NDArray[np.int64]) -> None:
        """Set loss weights from the labelled values."""
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
        session: what is labelled and what is asked for, the starting set being asked for.
        answer: tells the session the labels of its pending batch.
        values: labels, as they were told, → what the task learns (m,) or (m, L).
        boundary: outputs of the frozen prefix, row i for id i.
        kind: multiclass or multilabel.
        counts: labelled images after each cycle, the starting set first.
        choose: (cycle, pool outputs, batch size) → the images that enter with that cycle.
        needs_logits: whether ``choose`` looks at logits; if not, the pool is not scored.
        evaluated: the parts that are scored after each fit, by name (``test``, ``val``).
        evaluate: (part, logits) → metrics.
        names: image names by id, for error messages.
        asked: told of each batch, with the outputs that it was chosen by.
        store: keeps what is finished.
        progress: shows what goes on.
        seed: training seed.
        batch_size: images per training batch.
        inference_batch: images per inference batch.
        precision: context for inference (autocast).
        memory: bytes of labelled rows that are held in memory during a fit; see ``Batches``.
        preparation: seconds spent before cycle 0 (``decode_s``, ``extract_s``), for its row.
        batches: training batches of the cycle that is running; None before the first.
    """

    session: Session
    answer: Callable[[Session], None]
    values: Callable[[Sequence[Label]], NDArray[np.int64]]
    boundary: ImageArray
    kind: Kind
    counts: tuple[int, ...]
    choose: Callable[[int, PoolOutputs, int], Selection]
    needs_logits: bool
    evaluated: Mapping[str, IntArray]
    evaluate: Callable[[str, Tensor], Row]
    names: tuple[str, ...]
    asked: Callable[[PoolOutputs, Batch], None]
    store: Store
    progress: Progress
    seed: int
    batch_size: int
    inference_batch: int
    precision: Callable[[], AbstractContextManager[Any]]
    memory: int = 2 * 10**9
    preparation: Mapping[str, float] = field(default_factory=dict)
    batches: Batches | None = field(default=None, init=False)
    _trained_on: int = field(default=0, init=False)
    _clock: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float), init=False)

    def cycles(self) -> Iterator[int]:
        """Yield the cycles that are still to be run."""
        yield from range(self.store.finished, len(self.counts))

    def begin(self, cycle: int, module: RetrainedModule) -> None:
        """Prepare the fit of a cycle: its batches, its loss weights, its random numbers."""
        self._clock.clear()
        self.batches = None  # its rows make room for those of this cycle
        reset_peak_memory(module.device)
        with self.timed("fit", module.device):
            ids, values = self._labelled(cycle)
            self._trained_on = len(ids)
            seed = cycle_seed(self.seed, cycle)
            torch.manual_seed(seed)  # dropout
            self.batches = Batches(self.boundary, ids, values, self.batch_size, seed, module.device, self.memory)
            module.weigh_classes(values)

    def _labelled(self, cycle: int) -> tuple[IntArray, NDArray[np.int64]]:
        """Return the labelled ids (m,) of the batches so far, ascending, and what the task learns of them.

        The next batch may be there already, and a part of it told, if a kill came before the cycle was recorded.
        """
        if len(self.session.batches) <= cycle + 1:  # else it is not the pending batch's turn yet
            self.answer(self.session)
        told, labels = self.session.labelled
        asked = np.concatenate([batch.ids for batch in self.session.batches[: cycle + 1]])
        ids = np.intersect1d(told, asked)  # ascending: who was told first must not matter to the order of training
        label_of = dict(zip(told.tolist(), labels, strict=True))
        return ids, self.values([label_of[number] for number in ids.tolist()])

    def end(self, cycle: int, module: pl.LightningModule) -> Row:
        """Evaluate the trained module, choose the next images and record the cycle; return its row."""
        labelled = self._trained_on
        last = cycle + 1 == len(self.counts)
        logits = self._score(cycle, module, last)
        metrics: Row = {}
        with self.timed("evaluate", module.device):
            for part in self.evaluated:
                metrics |= {f"{part}/{name}": value for name, value in self.evaluate(part, logits[part]).items()}
        if not last:
            self._query(cycle, logits.get("pool"), module.device)
        row: Row = {"cycle": cycle, "labelled": labelled, **metrics}
        row |= {name: self.preparation.get(name, 0.0) if cycle == 0 else 0.0 for name in PREPARATION}
        row |= {f"{phase}_s": self._clock[phase] for phase in PHASES}
        row |= peak_memory(module.device)
        self.progress.phase("write")
        self.store.record(row, logits, module, last)
        if not last:
            self.answer(self.session)
        self.progress.cycle_done(cycle, labelled, metrics)
        return row

    @contextmanager
    def timed(self, phase: str, device: torch.device) -> Iterator[None]:
        """Show the phase, and add the seconds spent in the context to it, the device's work included."""
        self.progress.phase(phase)
        start = seconds(device)
        yield
        self._clock[phase] += seconds(device) - start

    def _score(self, cycle: int, module: pl.LightningModule, last: bool) -> dict[str, Tensor]:
        """Return the logits of each part that somebody looks at, from one pass over all of them."""
        parts = dict(self.evaluated)  # first: where rows are gathered, in the same batches for all strategies
        if self.needs_logits and not last:
            parts["pool"] = self._candidates(cycle)
        ids = np.concatenate(list(parts.values()))
        with self.timed("infer", module.device):
            logits = infer(module, self.boundary, ids, self.inference_batch, self.precision)
        self._check(cycle, ids, logits)
        sizes = [len(part) for part in parts.values()]
        # Scoring test and validation images is evaluation: the report charges only that of the pool to querying.
        whole = self._clock["infer"]
        self._clock["infer"] = whole * len(parts.get("pool", ())) / len(ids)
        self._clock["evaluate"] += whole - self._clock["infer"]
        return dict(zip(parts, torch.split(logits, sizes), strict=True))

    def _check(self, cycle: int, ids: IntArray, logits: Tensor) -> None:
        wrong = ~torch.isfinite(logits).flatten(1).all(1)
        if wrong.any():
            where = self.names[ids[int(wrong.nonzero()[0])]]
            raise UserError(
                f"cycle {cycle}: the model gives NaN or infinite outputs for {int(wrong.sum())} of {len(ids)} "
                f"images, the first is {where}. Training diverged: lower model.optimizer.lr_head and lr_backbone, "
                "or use trainer.precision=32-true."
            )

    def _candidates(self, cycle: int) -> IntArray:
        """Return the ids that the next batch is chosen from, ascending; the same where it is asked for already."""
        later = [batch.ids for batch in self.session.batches[cycle + 1 :]]
        return np.unique(np.concatenate([self.session.unlabelled, *later]))

    def _query(self, cycle: int, logits: Tensor | None, device: torch.device) -> None:
        with self.timed("select", device):
            size = self.counts[cycle + 1] - self.counts[cycle]
            outputs = PoolOutputs(self.kind, self._candidates(cycle), None if logits is None else logits.numpy())
            asked = self.session.batches[cycle + 1 :]  # before a kill; it may be told by now
            batch = asked[0] if asked else self.session.ask(lambda _: self.choose(cycle + 1, outputs, size))
        self.asked(outputs, batch)


def cycle_seed(seed: int, cycle: int) -> int:
    """Return the seed of a cycle's shuffling and dropout, independent of the cycles before it."""
    return int(np.random.SeedSequence([seed, cycle]).generate_state(1)[0])
