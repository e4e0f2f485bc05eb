"""A stack: runs whose heads are trained side by side, cycle by cycle."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch

from coilal.active.outputs import HeldOut
from coilal.common.device_memory import BatchSize
from coilal.common.signals import ends_the_job
from coilal.fit.batches import Batches, Labelled
from coilal.fit.cycles import ActiveLearning, Result
from coilal.fit.dropout import dropout
from coilal.fit.measure import reset_peak_memory, seconds
from coilal.fit.module import CoilModule
from coilal.fit.rows import Rows
from coilal.fit.scoring import Precision, Scorer, evaluating
from coilal.fit.trained import Trained
from coilal.fit.trial import Trials

log = logging.getLogger(__name__)

WRITERS = 16
"""Threads that wait for the disk: what one run records has nothing to do with the others, and a disk takes many."""


@dataclass(frozen=True)
class Round:
    """Runs that train their next cycle side by side.

    Attributes:
        members: the runs, those of equal learning rates next to each other.
        labelled: what each of them trains on, equally many images.
    """

    members: Sequence[ActiveLearning]
    labelled: Sequence[Labelled]

    def load(self, module: CoilModule) -> None:
        """Let a module hold the heads of the members, with their initial weights."""
        module.hold([run.initial for run in self.members], [run.optimizer for run in self.members])


@dataclass
class Stack:
    """Runs that are trained side by side, each with its own session, seeds, labels and records.

    A run of which something fails (training diverged, its disk is full, its strategy raises) leaves the stack, and
    the others go on; a run alone raises. Runs that are behind, after a kill, catch up first.

    Attributes:
        runs: the runs; all have heads of one shape, and the same budget.
        rows: outputs of the frozen prefix.
        batch_size: images per training batch of a run.
        scoring: images that are scored at once.
        precision: context for inference (autocast).
        memory: bytes of labelled rows that are held during a fit where the rows are not; see ``Batches``.
        score_memory: bytes that the logits of one pass may take; see ``Scorer``.
        most: heads at once; halved, once, where the memory does not suffice.
        epochs: of a fit, for heads that are trained beside.
        errors: the runs that have left, and why.
        batches: training batches of the round that is running; None before the first.
    """

    runs: Sequence[ActiveLearning]
    rows: Rows
    batch_size: int
    scoring: BatchSize
    precision: Precision
    memory: int = 2 * 10**9
    score_memory: int = 10**9
    most: int = 512
    epochs: int = 1
    errors: dict[ActiveLearning, Exception] = field(default_factory=dict)
    batches: Batches | None = field(default=None, init=False)
    _backed_off: bool = field(default=False, init=False)

    def rounds(self) -> Iterator[Round]:
        """Yield who trains next, until nobody has a cycle left."""
        while left := [run for run in self.runs if not run.is_finished and run not in self.errors]:
            cycle = min(run.cycle for run in left)
            behind = [run for run in left if run.cycle == cycle][: self.most]
            begun = {run: labelled for run in behind if (labelled := self._begun(run)) is not None}
            for together in _of_equal_size(begun):
                together.sort(key=lambda run: run.optimizer)  # stable; those of equal rates are one module
                yield Round(together, [begun[run] for run in together])

    def _begun(self, run: ActiveLearning) -> Labelled | None:
        with self._leaving(run):
            return run.begin()
        return None

    def begin(self, round_: Round, module: CoilModule) -> None:
        """Prepare a fit by a module that holds the heads: batches, loss weights, random numbers."""
        device = self.rows.device
        self.batches = None  # its rows make room for those of this round
        reset_peak_memory(device)
        with self.timed("fit", round_):
            shape, seeds = module.shape, [labelled.seed for labelled in round_.labelled]
            drops = dropout(shape.dropout, shape.widths, seeds, device) if shape.dropout else None
            self.batches = Batches(self.rows, round_.labelled, self.batch_size, self.memory, drops)
            module.weigh_classes([labelled.values for labelled in round_.labelled])
            torch.manual_seed(round_.labelled[0].seed)  # what a trained backbone draws

    def end(self, round_: Round, module: CoilModule) -> None:
        """Let each run score, evaluate, choose its next images and record its cycle."""
        parts = [run.parts(own.ids) for run, own in zip(round_.members, round_.labelled, strict=True)]
        wanted = [np.concatenate(list(each.values())) for each in parts]
        scorer = Scorer(self.rows, module.shape.outputs, self.scoring, self.precision, self.score_memory)
        trials = Trials(module, self.rows, self.batch_size, self.epochs, self.memory, self.scoring, self.precision)
        held_out = self._held_out(round_, trials)
        round_.members[0].progress.phase("infer")
        kept: dict[ActiveLearning, tuple[Result, Future[None]]] = {}
        with ThreadPoolExecutor(WRITERS) as writers, evaluating(module):
            for head, logits, spent in scorer.score(module.logits, wanted):
                run = round_.members[head]
                with self._leaving(run):
                    run.scored(spent, parts[head])
                    own = round_.labelled[head]
                    model = Trained(
                        module, head, self.rows, self.scoring, self.precision, trials, held_out.get(run), own.seed
                    )
                    result = run.judge(own, parts[head], logits, model, self.rows.device)
                    weights = module.weights_of(head) if run.is_last or run.waits else {}
                    kept[run] = result, writers.submit(run.keep, result, weights)
            round_.members[0].progress.phase("write")
            for run, (result, written) in kept.items():
                with self._leaving(run):
                    written.result()
                    run.tell(result)

    def _held_out(self, round_: Round, trials: Trials) -> dict[ActiveLearning, HeldOut]:
        """Return held-out logits of the runs whose strategy looks at them, from heads trained side by side."""
        asking = [head for head, run in enumerate(round_.members) if run.needs_held_out]
        if not asking:
            return {}
        runs = [round_.members[head] for head in asking]
        start = seconds(self.rows.device)
        found = trials.held_out(
            [round_.labelled[head] for head in asking],
            [run.initial for run in runs],
            [run.optimizer for run in runs],
        )
        for run in runs:
            run.spent["infer"] += (seconds(self.rows.device) - start) / len(runs)
        return dict(zip(runs, found, strict=True))

    @contextmanager
    def timed(self, phase: str, round_: Round) -> Iterator[None]:
        """Show the phase; charge each run its share of the seconds spent in the context, the device's included."""
        device = self.rows.device
        round_.members[0].progress.phase(phase)
        start = seconds(device)
        yield
        share = (seconds(device) - start) / len(round_.members)
        for run in round_.members:
            run.spent[phase] += share

    def can_back_off(self, round_: Round) -> bool:
        """Return whether the members of a round can be trained in two halves: once, and with more than one."""
        return not self._backed_off and len(round_.members) > 1

    def back_off(self, round_: Round) -> None:
        """Train half as many heads at once from now on; the round, which was not recorded, is done again."""
        heads = len(round_.members)
        self._backed_off, self.most, self.batches = True, heads // 2, None
        torch.cuda.empty_cache()
        log.warning("the memory does not suffice for %d heads at once: %d from now on", heads, self.most)

    @contextmanager
    def _leaving(self, run: ActiveLearning) -> Iterator[None]:
        """Let a run that fails leave the stack; a run alone raises."""
        try:
            yield
        except Exception as error:
            if len(self.runs) == 1 or ends_the_job(error):
                raise
            self.errors[run] = error
            log.error("%s leaves, the others go on: %s", run.title, error)
            for logger in run.loggers:
                logger.finalize("failed")


def _of_equal_size(begun: dict[ActiveLearning, Labelled]) -> list[list[ActiveLearning]]:
    """Return the runs by their number of labelled images: a batch has one size."""
    by_size: dict[int, list[ActiveLearning]] = {}
    for run, labelled in begun.items():
        by_size.setdefault(len(labelled.ids), []).append(run)
    return list(by_size.values())
