"""The query-retrain loop against a plain loop that makes a fresh Trainer for every cycle."""

from __future__ import annotations

import ast
import inspect
import os
import re
import weakref
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

import coilal.fit.loop
import coilal.fit.scoring
import coilal.fit.stack
from coilal.active.labels import as_values
from coilal.active.oracle import Oracle
from coilal.active.outputs import PoolOutputs, Selection
from coilal.active.predictions import predictions
from coilal.active.session import Session
from coilal.active.strategies.multiclass import margin
from coilal.active.strategies.strategy import Needs
from coilal.common.device_memory import BatchSize
from coilal.common.threads import threads_for
from coilal.common.types import UserError
from coilal.features import timm_trunk
from coilal.features.backbone import Backbone
from coilal.fit.batches import Batches
from coilal.fit.cycles import ActiveLearning
from coilal.fit.heads import HeadShape, Optimizer
from coilal.fit.loop import fit, needs_of_a_step, no_search_for_gpus
from coilal.fit.module import CoilModule
from coilal.fit.rows import Rows
from coilal.fit.scoring import evaluating, infer
from coilal.fit.stack import Round, Stack
from coilal.fit.standardise import Statistics
from coilal.fit.tasks.multiclass import Multiclass

pytestmark = pytest.mark.slow


POOL, TEST = np.arange(60), np.arange(60, 90)
COUNTS = (10, 16, 22, 28)
NAMES = tuple(f"image{i}.png" for i in range(90))
CLASSES = ("left", "middle", "right")


@dataclass
class Memory:
    """A store that keeps what it is given."""

    finished: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    session: Session = field(default_factory=lambda: Session(NAMES, POOL))
    logits: list[Tensor] = field(default_factory=list)

    def record(
        self, row: dict[str, float], logits: Mapping[str, Tensor], weights: Mapping[str, Tensor], last: bool
    ) -> None:
        self.rows.append(row)
        self.logits.append(logits["test"])
        self.finished += 1

    @property
    def queries(self) -> list[list[int]]:
        """The batches after the starting set."""
        return [batch.ids.tolist() for batch in self.session.batches[1:]]

    def cut(self, cycles: int) -> Memory:
        """Return what a kill has left after some cycles: the next batch is asked for, and not told."""
        left = Memory(finished=cycles)
        for batch in self.session.batches[: cycles + 1]:
            left.session.ask(lambda _, batch=batch: Selection(batch.ids, batch.scores))
            if batch.number < cycles:
                ORACLE.answer(left.session)
        return left


class Silent:
    def phase(self, name: str) -> None: ...
    def cycle_done(self, cycle: int, labelled: int, metrics: Mapping[str, float]) -> None: ...


def images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, 90)
    pixels = rng.integers(0, 60, (90, 1, 32, 32)).astype(np.uint8)
    for image, label in zip(pixels, classes, strict=True):
        image[0, :, label * 10 : label * 10 + 8] += 120
    return pixels, classes


ORACLE = Oracle(images()[1], CLASSES)


CPU = torch.device("cpu")
RATES = Optimizer(1e-2, 1e-3, 1e-2)


def at_once(images: int) -> BatchSize:
    return BatchSize("scoring", images, "")


def module(trainable: str | int, dropout: float = 0.2) -> tuple[CoilModule, np.ndarray]:
    torch.manual_seed(0)
    backbone = Backbone(timm_trunk.build("mobilenetv2_035"), "mean", trainable, (32, 32))
    shape = HeadShape(backbone.features, 3, (16,), dropout)
    built = CoilModule(backbone, shape, Multiclass("all", "balanced"))
    with torch.inference_mode():
        boundary = backbone.prefix(torch.from_numpy(images()[0])).numpy()
    with evaluating(built):
        features = infer(backbone.suffix, Rows(boundary, CPU, 0), POOL, at_once(64), nullcontext)
    built.standardise(Statistics.of(features))
    return built, boundary


def learning(store: Memory, shape: HeadShape, needs_logits: bool = True, seed: int = 3) -> ActiveLearning:
    _, classes = images()
    if not store.session.batches:
        store.session.ask(lambda _: Selection(np.arange(0, 20, 2), np.zeros(10)))

    def choose(cycle: int, outputs: PoolOutputs, size: int) -> Selection:
        if not needs_logits:
            assert outputs.logits is None
            return Selection(outputs.ids[:size], np.full(size, np.nan))
        return margin(outputs, size, np.random.default_rng([0, cycle]))

    def evaluate(part: str, logits: Tensor) -> dict[str, float]:
        return {"accuracy": float((logits.argmax(1).numpy() == classes[TEST]).mean())}

    return ActiveLearning(
        title=f"seed {seed}",
        session=store.session,
        answer=ORACLE.answer,
        values=partial(as_values, names=CLASSES, kind="multiclass"),
        kind="multiclass",
        counts=COUNTS,
        choose=choose,
        needs=Needs(logits=needs_logits),
        evaluated={"test": TEST},
        evaluate=evaluate,
        names=NAMES,
        predictions=partial(predictions, names=CLASSES, kind="multiclass"),
        store=store,
        progress=Silent(),
        seed=seed,
        initial=shape.initial(seed),
        optimizer=RATES,
    )


def stack(boundary: np.ndarray, *runs: ActiveLearning) -> Stack:
    return Stack(runs, Rows(boundary, CPU, 0), batch_size=8, scoring=at_once(64), precision=nullcontext)


trainer = partial(
    pl.Trainer,
    max_epochs=4,
    accelerator="cpu",
    logger=False,
    limit_val_batches=0,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)


def in_the_loop(trainable: str | int, store: Memory, **settings: Any) -> CoilModule:
    net, boundary = module(trainable)
    fit(trainer(**settings), net, stack(boundary, learning(store, net.shape)))
    return net


def plainly(trainable: str | int, store: Memory) -> None:
    """The reference: nothing of Lightning's loop is reused between cycles."""
    while store.finished < len(COUNTS):
        net, boundary = module(trainable)
        alone = stack(boundary, learning(store, net.shape))
        round_ = next(alone.rounds())
        round_.load(net)
        alone.begin(round_, net)
        net.train()
        with threads_for(boundary, net.device):
            trainer().fit(net, train_dataloaders=alone.batches)
            alone.end(round_, net)


def rounds_of(net: CoilModule, alone: Stack) -> Iterator[Round]:
    """Yield each round, begun; where its fit would be, there is none."""
    for round_ in alone.rounds():
        round_.load(net)
        alone.begin(round_, net)
        yield round_
        alone.end(round_, net)


@pytest.mark.parametrize("trainable", ["head", 2])
def test_same_images_and_logits_as_a_fresh_trainer_per_cycle(trainable: str | int) -> None:
    loop, plain = Memory(), Memory()
    in_the_loop(trainable, loop)
    plainly(trainable, plain)
    assert loop.queries == plain.queries
    assert len(loop.queries) == 3
    assert [row["labelled"] for row in loop.rows] == list(COUNTS)
    for ours, theirs in zip(loop.logits, plain.logits, strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("cycles", [1, 2, 3])
def test_resumed_after_a_cycle_it_goes_on_as_if_undisturbed(cycles: int) -> None:
    whole = Memory()
    in_the_loop("head", whole)
    cut = whole.cut(cycles)
    in_the_loop("head", cut)
    assert cut.queries == whole.queries
    for ours, theirs in zip(cut.logits, whole.logits[cycles:], strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("told", [0, 2, 6])
def test_the_batch_that_a_kill_left_pending_before_its_cycle_was_recorded_waits_for_its_turn(told: int) -> None:
    whole = Memory()
    in_the_loop("head", whole)
    cut = whole.cut(2)
    cut.finished = 1  # cycle 1 had asked for batch 2, and was killed before it was recorded
    some = cut.session.pending[:told].tolist()  # a person has gone on meanwhile
    cut.session.tell({image: CLASSES[images()[1][image]] for image in some})
    in_the_loop("head", cut)
    assert cut.queries == whole.queries
    assert cut.session.labelled[0].size == COUNTS[-1]
    assert [row["labelled"] for row in cut.rows] == list(COUNTS[1:])
    for ours, theirs in zip(cut.logits, whole.logits[1:], strict=True):
        assert torch.equal(ours, theirs)


def test_each_fit_starts_from_the_same_weights_and_an_empty_optimizer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[dict[str, Tensor], int, int]] = []

    def note(self: CoilModule) -> None:
        weights = {name: tensor.clone() for name, tensor in self.state_dict().items()}
        states = len(self.trainer.optimizers[0].state)
        seen.append((weights, states, self.trainer.current_epoch))

    monkeypatch.setattr(CoilModule, "on_train_start", note)
    in_the_loop("head", Memory())
    assert len(seen) == len(COUNTS)
    for weights, states, epoch in seen:
        assert states == 0
        assert epoch == 0
        assert all(torch.equal(tensor, seen[0][0][name]) for name, tensor in weights.items())


def test_scoring_leaves_the_modes_as_they_were() -> None:
    net, boundary = module("head")
    net.hold([net.shape.initial(0)], [RATES])
    net.train()
    net.heads[0].eval()
    before = [part.training for part in net.modules()]
    rows = Rows(boundary, CPU, 0)
    with evaluating(net):
        assert not net.training
        forward = partial(net.logits, heads=[0])
        first, again = (infer(forward, rows, TEST, at_once(size), nullcontext) for size in (7, 64))
    assert [part.training for part in net.modules()] == before
    torch.testing.assert_close(first, again, rtol=1e-4, atol=1e-4)


def test_nan_outputs_name_cycle_and_image() -> None:
    net, boundary = module("head")
    broken = boundary.copy()
    broken[TEST[5]] = np.nan
    store = Memory()
    with pytest.raises(UserError, match=r"cycle 0: .* 1 of 80 images, the first is image65\.png"):
        list(rounds_of(net, stack(broken, learning(store, net.shape))))
    assert store.rows == []


def test_the_labelled_rows_of_a_cycle_make_room_for_those_of_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[weakref.ref[Batches]] = []

    class Noted(Batches):
        def __init__(self, *args: Any) -> None:
            assert [there for there in made if there() is not None] == []
            super().__init__(*args)
            made.append(weakref.ref(self))

    monkeypatch.setattr(coilal.fit.stack, "Batches", Noted)
    in_the_loop("head", Memory())
    assert len(made) == len(COUNTS)


def test_early_stopping_works_in_every_cycle() -> None:
    epochs: list[int] = []

    class Count(pl.Callback):
        def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
            module.log("never_better", 1.0)

        def on_train_end(self, trainer: pl.Trainer, module: Any) -> None:
            epochs.append(trainer.fit_loop.epoch_progress.current.completed)

    stop = pl.callbacks.EarlyStopping("never_better", patience=2, check_on_train_epoch_end=True)
    in_the_loop("head", Memory(), max_epochs=20, callbacks=[Count(), stop])
    assert epochs == [3] * len(COUNTS)


class Listens(pl.Callback):
    """Asks for Lightning's own training step."""

    steps = 0

    def on_train_batch_end(self, *_: Any) -> None:
        self.steps += 1


def test_lean_and_stock_steps_give_the_same() -> None:
    lean, stock, listener = Memory(), Memory(), Listens()
    in_the_loop(2, lean)
    in_the_loop(2, stock, callbacks=[listener])
    assert listener.steps == 4 * sum(-(-count // 8) for count in COUNTS)
    assert lean.queries == stock.queries
    for ours, theirs in zip(lean.logits, stock.logits, strict=True):
        assert torch.equal(ours, theirs)


def test_global_step_counts_the_optimiser_steps() -> None:
    assert in_the_loop("head", Memory()).global_step == 4 * sum(-(-count // 8) for count in COUNTS)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, []),
        ({"callbacks": [pl.callbacks.EarlyStopping("loss")]}, []),
        ({"callbacks": [Listens()]}, ["Listens.on_train_batch_end"]),
        ({"gradient_clip_val": 1.0}, ["gradient_clip_val"]),
        ({"accumulate_grad_batches": 2}, ["accumulate_grad_batches"]),
        ({"limit_train_batches": 1}, ["limit_train_batches"]),
        ({"max_steps": 3}, ["max_steps"]),
        ({"precision": "64-true"}, ["precision"]),
        ({"precision": "bf16-mixed"}, []),
        ({"profiler": "simple"}, ["profiler"]),
    ],
    ids=lambda value: re.sub(r" object at 0x\w+", "", str(value)),
)
def test_what_is_asked_of_the_trainer_is_never_ignored(settings: dict[str, Any], named: list[str]) -> None:
    class Found(Exception):  # noqa: N818 (ends the fit before its first step)
        pass

    class Look(pl.Callback):
        def on_train_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
            raise Found(needs_of_a_step(trainer))

    callbacks = [Look(), *settings.get("callbacks", [])]
    with pytest.raises(Found) as found:
        in_the_loop("head", Memory(), **{**settings, "callbacks": callbacks})
    assert found.value.args == (named,)


class AccumulatesLater(pl.Callback):
    def on_train_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
        trainer.accumulate_grad_batches = 3 if trainer.current_epoch else 1


@pytest.mark.parametrize(
    "settings",
    [{"gradient_clip_val": 1e-3}, {"accumulate_grad_batches": 3}, {"callbacks": [AccumulatesLater()]}],
    ids=["clipping", "accumulation", "accumulation from the second epoch"],
)
def test_clipping_and_accumulation_change_the_training(settings: dict[str, Any]) -> None:
    plain, changed = Memory(), Memory()
    in_the_loop("head", plain)
    in_the_loop("head", changed, **settings)
    assert not torch.allclose(plain.logits[0], changed.logits[0])


@pytest.mark.parametrize("needs_logits", [True, False])
def test_only_what_somebody_looks_at_is_scored(needs_logits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    scored: list[list[int]] = []

    def noting(self: coilal.fit.scoring.Scorer, forward: Any, wanted: Any) -> Any:
        scored.extend(ids.tolist() for ids in wanted)
        return score(self, forward, wanted)

    score = coilal.fit.scoring.Scorer.score
    monkeypatch.setattr(coilal.fit.scoring.Scorer, "score", noting)
    net, boundary = module("head")
    store = Memory()
    unlabelled = [
        store.session.unlabelled.tolist()
        for _ in rounds_of(net, stack(boundary, learning(store, net.shape, needs_logits)))
    ]
    assert len(scored) == len(COUNTS)
    unlabelled[-1] = []  # nobody asks after the last cycle
    for ids, pool in zip(scored, unlabelled, strict=True):
        assert ids == TEST.tolist() + (pool if needs_logits else [])


@pytest.mark.parametrize("needs_logits", [True, False])
def test_scoring_of_the_test_split_is_no_time_of_querying(needs_logits: bool) -> None:
    store = Memory()
    net, boundary = module("head")
    list(rounds_of(net, stack(boundary, learning(store, net.shape, needs_logits))))
    assert [row["infer_s"] > 0 for row in store.rows] == [needs_logits] * (len(COUNTS) - 1) + [False]
    assert all(row["evaluate_s"] > 0 for row in store.rows)


def test_a_row_has_the_time_of_each_phase_and_the_peak_memory() -> None:
    store = Memory()
    net, boundary = module("head")
    active = learning(store, net.shape)
    active.preparation = {"decode_s": 1.5, "extract_s": 2.5}
    list(rounds_of(net, stack(boundary, active)))
    first, second = store.rows[:2]
    assert (first["decode_s"], first["extract_s"]) == (1.5, 2.5)
    assert (second["decode_s"], second["extract_s"]) == (0, 0)
    assert all(first[f"{phase}_s"] > 0 for phase in ("fit", "infer", "select", "evaluate"))
    assert store.rows[-1]["select_s"] == 0
    assert 50 < first["peak_memory_mb"] < 10**6
    assert "device_peak_memory_mb" not in first


def test_what_is_touched_of_lightnings_protected_api() -> None:
    """Everything protected that loop.py uses; look at each of these when Lightning's version is raised."""
    source = ast.parse(inspect.getsource(coilal.fit.loop))
    names = {node.attr for node in ast.walk(source) if isinstance(node, ast.Attribute)}
    own = {"_callbacks", "_forget_last_fit", "_run_round", "_train", "_count"}
    assert {n for n in names if n.startswith("_") and not n.startswith("__")} - own == {
        "_restarting",
        "_combined_loader",
        "_data_fetcher",
        "_batches_that_stepped",
        "_signal_connector",
    }
    stock = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False).fit_loop
    assert hasattr(stock, "_combined_loader")
    assert hasattr(stock, "_data_fetcher")
    assert hasattr(stock.epoch_loop, "_batches_that_stepped")
    assert hasattr(stock.epoch_loop.val_loop, "_combined_loader")
    assert callable(stock._warn_if_modules_in_eval_mode)
    assert callable(stock.epoch_progress.reset)
    assert callable(stock.reset_restart_stage)
    assert callable(stock.epoch_loop.reset_restart_stage)
    assert callable(stock.epoch_loop.batch_progress.increment_by)
    assert callable(stock.epoch_loop.automatic_optimization.optim_progress.optimizer.step.increment_by)


@pytest.mark.parametrize("before", [None, "0"])
def test_no_gpu_is_looked_for_on_a_cpu_and_the_environment_is_as_before(
    before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if before is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", before)
    with no_search_for_gpus(torch.device("cpu")):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == before
    with no_search_for_gpus(torch.device("cuda")):
        assert os.environ.get("CUDA_VISIBLE_DEVICES") == before
