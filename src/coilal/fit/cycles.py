"""One active-learning run, apart from the training: what is labelled, scored, asked for and recorded."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning.loggers import Logger
from torch import Tensor

from coilal.active.features import Features
from coilal.active.labels import Label, Prediction
from coilal.active.outputs import HeldOut, Logits, PoolOutputs, Selection
from coilal.active.session import Session
from coilal.active.strategies.strategy import Needs
from coilal.common.long_work import told_if_slow
from coilal.common.types import IntArray, Kind, UserError
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


class Model(Protocol):
    """A trained model, as strategies look at it; see ``fit.trained``."""

    def features(self, ids: IntArray) -> Features:
        """Return what enters the last layer for some images."""
        ...

    def logits(self, ids: IntArray) -> Tensor:
        """Return the logits (n, C) for some images, on the CPU."""
        ...

    def passes(self, ids: IntArray, number: int) -> NDArray[np.float32]:
        """Return the logits (T, n, C) of passes with the dropout of training."""
        ...

    def passes_of_last(self, features: Features, number: int, share: float) -> NDArray[np.float32]:
        """Return the logits (T, n, C) of passes that leave out a share of what enters the last layer."""
        ...

    def trial_logits(
        self, labelled: Sequence[Labelled], initial: Mapping[str, Tensor], optimizer: Optimizer, ids: IntArray
    ) -> Tensor:
        """Return the logits (S, n, C) for some images of heads trained on S sets of labelled images."""
        ...

    @property
    def held_out(self) -> HeldOut | None:
        """Return logits for labelled images by heads that were not trained on them, where they are needed."""
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
        answer: returns when the images of a batch, by its number, are answered, whoever answers them.
        values: labels, as they were told, → what the task learns (m,) or (m, L).
        kind: multiclass or multilabel.
        counts: labelled images after each cycle, the starting set first.
        choose: (cycle, pool outputs, batch size) → the images that enter with that cycle.
        needs: what ``choose`` looks at; without logits the pool is not scored.
        judged: for an upper bound: ids → what will be told of them, as the task learns it, and the name of the
            validation metric that is to be high; None for who may not know it.
        evaluated: the parts that are scored after each fit, by name (``test``, ``val``).
        evaluate: (part, logits) → metrics.
        line: logits by evaluated part → figures that take several parts, named as columns are; None: there are
            none.
        names: image names by id, for error messages.
        predictions: logits (n, C) → what they say in names, kept of the images that are asked for.
        store: keeps what is finished.
        progress: shows what goes on.
        seed: training seed.
        waits: whether answers take time, as a person's do; then each model is kept.
        seen: for people, who want to know what the model takes their images for: told the ids (n,) and logits
            (n, C) of all that is scored, the whole pool then, but for what it has learnt from: of that it says what
            it was told, mistakes among it.
        ahead: batches that are asked for before they can be learnt from: the next one is chosen while so many
            are pending.
        initial: weights that its head starts from in every cycle, named as ``HeadShape.initial`` names them.
        optimizer: its learning rates and weight decay.
        loggers: told of each cycle.
        preparation: seconds spent before cycle 0 (``decode_s``, ``extract_s``), for its row.
        asks: whether the cycle that has begun chooses a batch, or has before a kill.
    """

    title: str
    session: Session
    answer: Callable[[Session, int], None]
    values: Callable[[Sequence[Label]], NDArray[np.int64]]
    kind: Kind
    counts: tuple[int, ...]
    choose: Callable[[int, PoolOutputs, int], Selection]
    needs: Needs
    evaluated: Mapping[str, IntArray]
    evaluate: Callable[[str, Tensor], Row]
    names: tuple[str, ...]
    predictions: Callable[[Logits], Sequence[Prediction]]
    store: Store
    progress: Progress
    seed: int
    initial: Mapping[str, Tensor]
    optimizer: Optimizer
    line: Callable[[Mapping[str, Tensor]], Row] | None = None
    waits: bool = False
    seen: Callable[[IntArray, Tensor], None] | None = None
    ahead: int = 0
    judged: tuple[Callable[[IntArray], NDArray[np.int64]], str] | None = None
    loggers: Sequence[Logger] = ()
    preparation: Mapping[str, float] = field(default_factory=dict)
    asks: bool = field(default=False, init=False)
    spent: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float), init=False)

    @property
    def cycle(self) -> int:
        """The cycle that is to be run next."""
        return self.store.finished

    @property
    def needs_held_out(self) -> bool:
        """Whether the next query looks at labelled images that are held out."""
        return self.needs.held_out_logits and self.asks and not self.session.batches[self.following :]

    @property
    def is_finished(self) -> bool:
        """Whether no cycle is left, or no image."""
        return self.cycle >= len(self.counts) or (self._none_is_left and self.cycle == len(self.session.batches))

    @property
    def is_last(self) -> bool:
        """Whether the cycle that is to be run next is the last one."""
        return self.cycle + 1 == len(self.counts) or (
            self._none_is_left and self.cycle + 1 == len(self.session.batches)
        )

    @property
    def following(self) -> int:
        """The number of the batch that is chosen after the next cycle."""
        return self.cycle + 1 + self.ahead

    def _asks(self) -> bool:
        """Return whether a batch is chosen after the next cycle, or was before a kill."""
        is_there = len(self.session.batches) > self.following
        return is_there or (self.following < len(self.counts) and not self._none_is_left)

    @property
    def _none_is_left(self) -> bool:
        """Whether no image is left to be asked for; batches of whole groups may empty a pool early."""
        return not len(self.session.unlabelled)

    def begin(self) -> Labelled:
        """Return what the next cycle trains on: the images of the batches so far, ascending, with their labels.

        Batches after them may be there already, and be told in part.
        """
        self.spent.clear()
        cycle = self.cycle
        if self.waits:
            self.progress.phase("waiting for answers")
        self.answer(self.session, cycle)
        self.asks = self._asks()
        told, labels = self.session.labelled
        asked = np.concatenate([batch.ids for batch in self.session.batches[: cycle + 1]])
        ids = np.intersect1d(told, asked)  # ascending: who was told first must not matter to the order of training
        label_of = dict(zip(told.tolist(), labels, strict=True))
        values = self.values([label_of[number] for number in ids.tolist()])
        return Labelled(ids, values, cycle_seed(self.seed, cycle))

    def parts(self, labelled: IntArray) -> dict[str, IntArray]:
        """Return the ids of all that is scored after the fit: what is evaluated, and what a strategy looks at.

        Args:
            labelled: those that were trained on.
        """
        asked: dict[str, IntArray] = {}
        if self.asks:
            asked |= {"pool": self._candidates()} if self.needs.logits else {}
            asked |= {"labelled": labelled} if self.needs.labelled_logits else {}
        if self.seen is not None:
            pool = self._candidates()
            later = [batch.ids for batch in self.session.batches[self.cycle + 1 :]]  # they may be told already
            asked |= {"pool": pool, "later": np.setdiff1d(np.concatenate([pool[:0], *later]), pool)}
        return {**self.evaluated, **asked}

    def scored(self, scored: float, parts: Mapping[str, IntArray]) -> None:
        """Charge seconds of scoring: what test and validation took is evaluation, and no cost of querying."""
        evaluated = sum(len(parts[name]) for name in self.evaluated)
        share = 1 - evaluated / sum(len(ids) for ids in parts.values())
        self.spent["infer"] += scored * share
        self.spent["evaluate"] += scored * (1 - share)

    def judge(
        self, labelled: Labelled, parts: Mapping[str, IntArray], logits: Tensor, model: Model, device: torch.device
    ) -> Result:
        """Evaluate the trained model, and choose the next images by it.

        Args:
            labelled: what was trained on.
            parts: what was scored.
            logits: (n, C) of all parts, joined.
            model: what was trained.
            device: where was trained.
        """
        cycle = self.cycle
        ids = np.concatenate(list(parts.values()))
        self._check(ids, logits)
        if self.seen is not None:
            is_new = ~np.isin(ids, labelled.ids)
            self.seen(ids[is_new], logits[torch.from_numpy(is_new)])
        outputs = dict(zip(parts, torch.split(logits, [len(ids) for ids in parts.values()]), strict=True))
        metrics: Row = {}
        with self.timed("evaluate"):
            for part in self.evaluated:
                metrics |= {f"{part}/{name}": value for name, value in self.evaluate(part, outputs[part]).items()}
            metrics |= self.line(outputs) if self.line else {}
        if self.asks:
            candidates = parts.get("pool", self._candidates())  # a person may have told more since they were scored
            self._query(labelled, candidates, outputs, model)
        row: Row = {"cycle": cycle, "labelled": len(labelled.ids), **metrics}
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
        self.store.record(result.row, result.logits, weights, last or self.waits)
        if not (last or self.waits):
            self.answer(self.session, int(result.row["cycle"]) + 1)

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
        later = [batch.ids for batch in self.session.batches[self.following :]]
        return np.unique(np.concatenate([self.session.unlabelled, *later]))

    def _query(self, labelled: Labelled, candidates: IntArray, logits: Mapping[str, Tensor], model: Model) -> None:
        if self.session.batches[self.following :]:  # asked for before a kill; it may be told by now
            return
        outputs = PoolOutputs(
            self.kind,
            candidates,
            _array(logits.get("pool")),
            labelled_logits=_array(logits.get("labelled")),
            cycle=self.following,
        )
        if self.needs != Needs(self.needs.logits):
            with self.timed("infer"):
                outputs = self._seen(outputs, labelled, model)
        self.session.ask(lambda _: self._chosen(outputs, model), self.ahead)

    def _chosen(self, outputs: PoolOutputs, model: Model) -> Selection:
        """Return the next batch, with what the model takes its images for, which is no part of choosing them."""
        size = self.counts[outputs.cycle] - self.counts[outputs.cycle - 1]
        doing = f"{self.title}, cycle {outputs.cycle}: choosing {size} of {len(outputs)} images"
        with self.timed("select"), told_if_slow(doing):
            chosen = self.choose(outputs.cycle, outputs, size)
        with self.timed("evaluate"):
            logits = outputs.logits
            if logits is not None:
                logits = logits[np.searchsorted(outputs.ids, chosen.ids)]
            else:  # of these images alone: for the pool's nobody asks
                scored = model.logits(chosen.ids)
                self._check(chosen.ids, scored)
                logits = scored.numpy()
            return replace(chosen, predictions=self.predictions(logits))

    def _seen(self, outputs: PoolOutputs, labelled: Labelled, model: Model) -> PoolOutputs:
        """Return the outputs with all that the strategy needs besides logits of the model."""
        needs, images = self.needs, len(outputs.ids)
        if needs.held_out_logits:
            outputs = replace(outputs, held_out=model.held_out)
        if needs.features:
            known = labelled.ids if needs.labelled_features else labelled.ids[:0]
            both = model.features(np.concatenate([outputs.ids, known]))  # joined, since strategies join them
            of_pool, of_labelled = both.subset(np.arange(images)), both.subset(np.arange(images, len(both)))
            outputs = replace(outputs, features=of_pool, labelled=of_labelled)
        if needs.trials:
            outputs = replace(outputs, tried=partial(self._tried, labelled, model))
        if not needs.passes:
            return outputs
        if needs.dropout is None:
            return replace(outputs, passes=model.passes(outputs.ids, needs.passes))
        features = outputs.features or model.features(outputs.ids)
        return replace(outputs, passes=model.passes_of_last(features, needs.passes, needs.dropout))

    def _tried(self, labelled: Labelled, model: Model, batches: Sequence[IntArray]) -> list[float]:
        """Return the validation metric of the next cycle, had it been told the labels of each batch."""
        assert self.judged is not None
        told, column = self.judged
        seed, trials = cycle_seed(self.seed, self.following), []
        for batch in batches:
            ids = np.concatenate([labelled.ids, batch])
            values = np.concatenate([labelled.values, told(batch)])
            order = np.argsort(ids)  # as ``begin`` has them
            trials.append(Labelled(ids[order], values[order], seed))
        logits = model.trial_logits(trials, self.initial, self.optimizer, self.evaluated["val"])
        return [self.evaluate("val", each)[column] for each in logits]


def _array(logits: Tensor | None) -> NDArray[np.float32] | None:
    return None if logits is None else logits.numpy()


def cycle_seed(seed: int, cycle: int) -> int:
    """Return the seed of a cycle's shuffling and dropout, independent of the cycles before it."""
    return int(np.random.SeedSequence([seed, cycle]).generate_state(1)[0])
