"""Runs that are trained side by side, against the same runs alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from submitit.core.utils import UncompletedJobError

import coilal.fit.stack
from coilal.active.labels import as_values
from coilal.active.oracle import Oracle
from coilal.active.outputs import Selection
from coilal.active.session import Session
from coilal.active.strategies import multiclass, multilabel
from coilal.active.strategies.strategy import Needs
from coilal.common.device_memory import BatchSize
from coilal.common.types import Kind
from coilal.features.backbone import PooledFeatures
from coilal.fit.cycles import ActiveLearning
from coilal.fit.heads import HeadShape, Optimizer
from coilal.fit.loop import fit
from coilal.fit.module import CoilModule
from coilal.fit.rows import Rows
from coilal.fit.stack import Stack
from coilal.fit.tasks.multiclass import Multiclass
from coilal.fit.tasks.multilabel import Multilabel
from tests.unit.fit.test_loop import Silent

POOL, TEST = np.arange(120), np.arange(120, 200)
COUNTS = (13, 17, 33)  # in batches of 8 the last one has 5, 1 and 1 images
IMAGES = tuple(f"image{number}.png" for number in range(200))
RATES = (1e-3, 1e-2, 3e-3)
STRATEGY = {"multiclass": multiclass.margin, "multilabel": multilabel.avg_confidence}


class Store:
    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.kept: list[torch.Tensor] = []

    @property
    def finished(self) -> int:
        return len(self.rows)

    def record(self, row: Any, logits: Any, weights: Any, last: bool) -> None:
        self.rows.append(row)
        self.kept += [each.clone() for each in (*logits.values(), *weights.values())]


class Data:
    """Features, and labels that can be read off them."""

    def __init__(self, shape: HeadShape, kind: Kind) -> None:
        rng = np.random.default_rng(0)
        self.shape, self.kind = shape, kind
        self.features = rng.normal(size=(200, shape.features)).astype(np.float32)
        self.values = rng.integers(0, shape.outputs, 200)
        if kind == "multilabel":
            self.values = (rng.random((200, shape.outputs)) < 0.3).astype(np.int64)
        self.names = tuple(f"class{number}" for number in range(shape.outputs))

    def run(self, seed: int) -> ActiveLearning:
        session = Session(IMAGES, POOL)
        ids = np.random.default_rng(seed).choice(POOL, COUNTS[0], replace=False)
        session.ask(lambda _: Selection(ids, np.full(len(ids), np.nan)))
        strategy = STRATEGY[self.kind]
        return ActiveLearning(
            title=f"seed {seed}",
            session=session,
            answer=Oracle(self.values, self.names).answer,
            values=partial(as_values, names=self.names, kind=self.kind),
            kind=self.kind,
            counts=COUNTS,
            choose=lambda cycle, outputs, size: strategy(outputs, size, np.random.default_rng([seed, cycle])),
            needs=Needs(logits=True),
            evaluated={"test": TEST},
            evaluate=lambda part, logits: {"mean": float(logits.mean())},
            names=IMAGES,
            predictions=lambda logits: (),
            store=Store(),
            progress=Silent(),
            seed=seed,
            initial=self.shape.initial(seed),
            optimizer=Optimizer(RATES[seed % len(RATES)], 1e-5, 1e-2),
        )

    def train(self, runs: Sequence[ActiveLearning], **more: Any) -> Stack:
        stack = Stack(
            runs, Rows(self.features, torch.device("cpu"), 0), 8, BatchSize("", 64, ""), nullcontext, **more
        )
        task = Multiclass("all", "balanced") if self.kind == "multiclass" else Multilabel("balanced")
        module = CoilModule(PooledFeatures(self.shape.features), self.shape, task)
        module.given_standardised = True
        trainer = pl.Trainer(
            max_epochs=3,
            accelerator="cpu",
            logger=False,
            limit_val_batches=0,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        fit(trainer, module, stack)
        return stack

    def kept(self, *seeds: int, **more: Any) -> list[list[torch.Tensor]]:
        runs = [self.run(seed) for seed in seeds]
        self.train(runs, **more)
        return [run.store.kept for run in runs]


LINEAR = Data(HeadShape(64, 8, (), 0.5), "multiclass")


def equal(ours: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor]) -> bool:
    return len(ours) == len(theirs) and all(
        torch.equal(one, other) for one, other in zip(ours, theirs, strict=True)
    )


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        (HeadShape(64, 8, (), 0.5), "multiclass"),
        (HeadShape(37, 3, (), 0.5), "multiclass"),  # widths that fit no register
        (HeadShape(1, 2), "multiclass"),
        (HeadShape(64, 12, (33, 17), 0.2), "multiclass"),
        (HeadShape(50, 5, (13,), 0.3), "multilabel"),
        (HeadShape(768, 9), "multilabel"),
        (HeadShape(17, 1, (5,), 0.5), "multilabel"),
    ],
    ids=str,
)
def test_a_run_is_the_same_to_the_last_digit_whoever_stands_beside_it(shape: HeadShape, kind: Kind) -> None:
    data = Data(shape, kind)
    beside = data.kept(*range(11))
    for seed in (0, 4, 10):
        (alone,) = data.kept(seed)
        assert equal(beside[seed], alone)
    assert not equal(beside[0], beside[3]), "each has its own weights, images and order"


def test_more_runs_than_fit_at_once_are_trained_in_turn() -> None:
    whole, in_turn = LINEAR.kept(*range(5)), LINEAR.kept(*range(5), most=2)
    assert all(equal(*pair) for pair in zip(whole, in_turn, strict=True))


@pytest.mark.parametrize("moment", ["asked", "recorded"])
def test_runs_that_are_behind_catch_up(moment: str) -> None:
    whole = LINEAR.kept(0, 1, 2)
    runs = [LINEAR.run(seed) for seed in range(3)]

    class KilledError(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise KilledError

    if moment == "asked":  # the next batch of the second run is there, and its cycle is not recorded
        runs[1].store.record = killed
    else:  # of the second run, not of the third
        runs[2].choose = killed
    with pytest.raises(KilledError):
        LINEAR.train(runs)
    for seed, run in enumerate(runs):
        again = LINEAR.run(seed)
        again.session, again.store = run.session, run.store
        if "record" in vars(again.store):
            del again.store.record
        runs[seed] = again
    assert len({run.cycle for run in runs}) == 2
    LINEAR.train(runs)
    assert all(equal(run.store.kept, kept) for run, kept in zip(runs, whole, strict=True))


def test_a_run_that_fails_leaves_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    whole = LINEAR.kept(0, 1, 2, 3)
    runs = [LINEAR.run(seed) for seed in range(4)]
    diverged, broken = runs[1], runs[3]
    diverged.optimizer = Optimizer(float("inf"), 1e-5, 1e-2)

    def full(*_: Any) -> None:
        raise OSError("no room left")

    broken.store.record = full  # type: ignore[attr-defined]
    stack = LINEAR.train(runs)
    assert {run: type(error).__name__ for run, error in stack.errors.items()} == {
        diverged: "UserError",
        broken: "OSError",
    }
    assert "cycle 0: the model gives NaN" in str(stack.errors[diverged])
    assert "seed 3 leaves, the others go on: no room left" in caplog.text
    assert [run.cycle for run in runs] == [3, 0, 3, 0]
    assert equal(runs[0].store.kept, whole[0])
    assert equal(runs[2].store.kept, whole[2])


def test_submitit_ends_all_of_them() -> None:
    runs = [LINEAR.run(seed) for seed in range(3)]

    def too_late(*_: Any) -> None:
        raise UncompletedJobError("timed-out too many times")

    runs[1].choose = too_late
    with pytest.raises(UncompletedJobError):
        LINEAR.train(runs)
    assert runs[1].cycle == 0
    assert runs[0].cycle == 1, "what was on its way to the disk is recorded"


def test_a_run_alone_raises() -> None:
    run = LINEAR.run(0)
    run.optimizer = Optimizer(float("inf"), 1e-5, 1e-2)
    with pytest.raises(Exception, match="cycle 0: the model gives NaN"):
        LINEAR.train([run])


def test_runs_with_other_numbers_of_labels_train_in_rounds_of_their_own() -> None:
    runs = [LINEAR.run(seed) for seed in range(3)]
    ids = runs[1].session.pending[1:]
    runs[1].session, runs[1].counts = Session(IMAGES, POOL), tuple(count - 1 for count in COUNTS)
    runs[1].session.ask(lambda _: Selection(ids, np.full(len(ids), np.nan)))
    LINEAR.train(runs)
    assert [[row["labelled"] for row in run.store.rows] for run in runs] == [
        list(COUNTS),
        [count - 1 for count in COUNTS],
        list(COUNTS),
    ]


def test_where_memory_does_not_suffice_half_as_many_are_trained_at_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = LINEAR.kept(*range(5))
    sizes = []

    class Small(coilal.fit.stack.Batches):
        def __init__(self, rows: Any, labelled: Any, *rest: Any) -> None:
            sizes.append(len(labelled))
            if len(labelled) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            super().__init__(rows, labelled, *rest)

    monkeypatch.setattr(coilal.fit.stack, "Batches", Small)
    with_less = LINEAR.kept(*range(5))
    assert sizes == [5] + [2, 2, 1] * len(COUNTS)
    assert "the memory does not suffice for 5 heads at once: 2 from now on" in caplog.text
    assert all(equal(*pair) for pair in zip(whole, with_less, strict=True))
    with pytest.raises(torch.OutOfMemoryError):
        LINEAR.kept(*range(11))  # half of it is too much, too


def test_each_run_is_charged_its_share_of_the_fit() -> None:
    runs = [LINEAR.run(seed) for seed in range(4)]
    LINEAR.train(runs)
    for cycle in range(len(COUNTS)):
        assert len({run.store.rows[cycle]["fit_s"] for run in runs}) == 1
