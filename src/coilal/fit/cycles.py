"""One active-learning run, apart from the training: what is labelled, scored, asked for and recorded."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning.loggers import Logger
from torch import Tensor

from coilal.active.labels import Label
from coilal.active.session import Batch, Session
from coilal.common.types import IntArray, Kind, PoolOutputs, Selection, UserError
from coilal.fit.batches import Labelled
from coilal.fit.heads import Optimizer
from coilal.fit.measure import peak_memory

Row = dict[str, float]

PREPARATION = ("decode_s", "extract_s")
PHASES = ("fit", "infer", "select", "evaluate")


class Store(Protocol):
    """Keeps what a run has finished; a committed cycle survives any kill."""

    @property
    def finished(self) -> int:
        """Return the number of finished cycles."""
        ...

    def record(self, row: Row, logits: Mapping[str, Tensor], weights: Mapping[str, Tensor], last: bool) -> None:
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


class Result(NamedTuple):
    """What a cycle has given.

    Attributes:
        row: of cycles.csv: its metrics, and what it cost.
        logits: (n, C) of each part that is evaluated.
    """

    row: Row
    logits: Mapping[str, Tensor]


@dataclass(eq=False)
class ActiveLearning:
    """One active-learning run, apart from the training itself.

    Attributes:
        title: what is run, for people.
        session: what is labelled and what is asked for, the starting set being asked for.
        answer: tells the session the labels of its pending batch.
        values: labels, as they were told, → what the task learns (m,) or (m, L).
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
        initial: weights that its head starts from in every cycle, named as ``HeadShape.initial`` names them.
        optimizer: its learning rates and weight decay.
        loggers: told of each cycle.
        preparation: seconds spent before cycle 0 (``decode_s``, ``extract_s``), for its row.
    """

    title: str
    session: Session
    answer: Callable[[Session], None]
    values: Callable[[Sequence[Label]], NDArray[np.int64]]
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
    initial: Mapping[str, Tensor]
    optimizer: Optimizer
    loggers: Sequence[Logger] = ()
    preparation: Mapping[str, float] = field(default_factory=dict)
    spent: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float), init=False)

    @property
    def cycle(self) -> int:
        """The cycle that is to be run next."""
        return self.store.finished

    @property
    def is_finished(self) -> bool:
        """Whether no cycle is left."""
        return self.cycle >= len(self.counts)

    @property
    def is_last(self) -> bool:
        """Whether the cycle that is to be run next is the last one."""
        return self.cycle + 1 == len(self.counts)

    def begin(self) -> Labelled:
        """Return what the next cycle trains on: the images of the batches so far, ascending, with their labels.

        The batch after them may be there already, and a part of it told, if a kill came before the cycle was
        recorded.
        """
        self.spent.clear()
        cycle = self.cycle
        if len(self.session.batches) <= cycle + 1:  # else it is not the pending batch's turn yet
            self.answer(self.session)
        told, labels = self.session.labelled
        asked = np.concatenate([batch.ids for batch in self.session.batches[: cycle + 1]])
        ids = np.intersect1d(told, asked)  # ascending: who was told first must not matter to the order of training
        label_of = dict(zip(told.tolist(), labels, strict=True))
        values = self.values([label_of[number] for number in ids.tolist()])
        return Labelled(ids, values, cycle_seed(self.seed, cycle))

    def parts(self) -> dict[str, IntArray]:
        """Return the ids of all that is looked at after the fit, the pool last."""
        pool = {"pool": self._candidates()} if self.needs_logits and not self.is_last else {}
        return {**self.evaluated, **pool}

    def scored(self, scored: float) -> None:
        """Charge seconds of scoring: what test and validation took is evaluation, and no cost of querying."""
        sizes = {name: len(ids) for name, ids in self.parts().items()}
        share = sizes.get("pool", 0) / sum(sizes.values())
        self.spent["infer"] += scored * share
        self.spent["evaluate"] += scored * (1 - share)

    def judge(self, labelled: int, logits: Tensor, device: torch.device) -> Result:
        """Evaluate the trained model, and choose the next images by it.

        Args:
            labelled: images that were trained on.
            logits: (n, C) of all ``parts``, joined.
            device: where was trained.
        """
        cycle, parts = self.cycle, self.parts()
        self._check(np.concatenate(list(parts.values())), logits)
        outputs = dict(zip(parts, torch.split(logits, [len(ids) for ids in parts.values()]), strict=True))
        metrics: Row = {}
        with self.timed("evaluate"):
            for part in self.evaluated:
                metrics |= {f"{part}/{name}": value for name, value in self.evaluate(part, outputs[part]).items()}
        if not self.is_last:
            self._query(outputs.get("pool"))
        row: Row = {"cycle": cycle, "labelled": labelled, **metrics}
        row |= {name: self.preparation.get(name, 0.0) if cycle == 0 else 0.0 for name in PREPARATION}
        row |= {f"{phase}_s": self.spent[phase] for phase in PHASES}
        row |= peak_memory(device)
        kept = {part: outputs[part].clone() for part in self.evaluated}  # of the pool nobody needs them any more
        return Result(row, kept)

    def keep(self, result: Result, weights: Mapping[str, Tensor]) -> None:
        """Record the cycle, and tell the session the labels of the batch that was chosen; waits for the disk.

        Args:
            result: of the cycle.
            weights: of the trained model.
        """
        last = self.is_last
        self.store.record(result.row, result.logits, weights, last)
        if not last:
            self.answer(self.session)

    def tell(self, result: Result) -> None:
        """Show a cycle that is recorded, and log it."""
        labelled = int(result.row["labelled"])
        self.progress.cycle_done(int(result.row["cycle"]), labelled, result.row)
        for logger in self.loggers:
            logger.log_metrics(result.row, step=labelled)
            logger.save()  # Lightning's own keep many rows in memory, which a kill would lose

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Show the phase, and add the seconds spent in the context to it."""
        self.progress.phase(phase)
        start = time.perf_counter()
        yield
        self.spent[phase] += time.perf_counter() - start

    def _check(self, ids: IntArray, logits: Tensor) -> None:
        wrong = ~torch.isfinite(logits).all(1)
        if wrong.any():
            where = self.names[ids[int(wrong.nonzero()[0])]]
            raise UserError(
                f"cycle {self.cycle}: the model gives NaN or infinite outputs for {int(wrong.sum())} of {len(ids)} "
                f"images, the first is {where}. Training diverged: lower model.optimizer.lr_head and lr_backbone, "
                "or use trainer.precision=32-true."
            )

    def _candidates(self) -> IntArray:
        """Return the ids that the next batch is chosen from, ascending; the same where it is asked for already."""
        later = [batch.ids for batch in self.session.batches[self.cycle + 1 :]]
        return np.unique(np.concatenate([self.session.unlabelled, *later]))

    def _query(self, logits: Tensor | None) -> None:
        cycle = self.cycle
        with self.timed("select"):
            size = self.counts[cycle + 1] - self.counts[cycle]
            outputs = PoolOutputs(self.kind, self._candidates(), None if logits is None else logits.numpy())
            asked = self.session.batches[cycle + 1 :]  # before a kill; it may be told by now
            batch = asked[0] if asked else self.session.ask(lambda _: self.choose(cycle + 1, outputs, size))
        self.asked(outputs, batch)


def cycle_seed(seed: int, cycle: int) -> int:
    """Return the seed of a cycle's shuffling and dropout, independent of the cycles before it."""
    return int(np.random.SeedSequence([seed, cycle]).generate_state(1)[0])
