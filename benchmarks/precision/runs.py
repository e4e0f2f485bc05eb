"""Active learning on given features: coilal's own stack of runs, kept in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.data import settings
from coilal.active.labels import as_values
from coilal.active.session import Session
from coilal.common.types import Budget
from coilal.features.backbone import Backbone, PooledFeatures
from coilal.features.weights import fingerprint, resolve
from coilal.fit.cycles import ActiveLearning
from coilal.fit.heads import HeadShape, Optimizer
from coilal.fit.loop import fit
from coilal.fit.module import CoilModule
from coilal.fit.scoring import at_once
from coilal.fit.stack import Stack
from coilal.fit.standardise import Inputs, Statistics, standardised
from coilal.run_directory.aulc import aulc
from coilal.runs.backbones import backbone_loader
from coilal.runs.plan import Plan
from coilal.runs.prepare import Prepared, prepare
from coilal.runs.settings import Settings
from coilal.runs.trainer import build_trainer

REDRAWN = 1000  # added to the seed


class Curve:
    """The store of a run: its rows, in memory."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    @property
    def finished(self) -> int:
        """Return the number of finished cycles."""
        return len(self.rows)

    def record(self, row: dict[str, float], *_: object) -> None:
        """Keep the row of a cycle."""
        self.rows.append(row)


class Silent:
    """Shows nothing."""

    def phase(self, name: str) -> None:
        """Show nothing."""

    def cycle_done(self, cycle: int, labelled: int, metrics: Mapping[str, float]) -> None:
        """Show nothing."""


@dataclass(frozen=True)
class Result:
    """What a run did.

    Attributes:
        seed: of starting set and training.
        batches: ids of the images of each query, best first, without the starting set.
        aulc: area under the curve of the task's primary metric on the test split.
    """

    seed: int
    batches: Sequence[NDArray[np.int64]]
    aulc: float


@dataclass
class Study:
    """Runs of several strategies and seeds on the same images.

    Attributes:
        name: of the data, for people.
        overrides: settings of data, model and budget.
        strategies: names.
        seeds: one run each of every strategy.
    """

    name: str
    overrides: Sequence[str]
    strategies: Sequence[str]
    seeds: Sequence[int]
    _plans: dict[str, Plan] = field(default_factory=dict, init=False)

    @cached_property
    def settings(self) -> Settings:
        """Settings of the first strategy; the others have the same ones but for it."""
        return self._settings(self.strategies[0])

    @cached_property
    def prepared(self) -> Prepared:
        """The images and their labels."""
        plan = self._plan(self.strategies[0])
        budget: Budget = plan.budget
        return prepare(self.settings, plan.task, budget, oracle_is_simulated=True)

    def backbone(self) -> Backbone:
        """Return the network that the settings name."""
        model = self.settings.model
        weights = resolve(model.weights, model.hub, model.name)
        return backbone_loader(self.settings, weights, fingerprint(weights))()

    def head_inputs(self, features: NDArray[np.float32]) -> Inputs:
        """Return features as the heads see them: standardised by those of the pool."""
        statistics = Statistics.of(torch.from_numpy(features[self.prepared.split.pool]))
        return standardised(features.copy(), statistics, torch.device("cpu"))

    def run(self, inputs: Inputs, redrawn: bool) -> dict[str, list[Result]]:
        """Return the results of each strategy, a seed after the other.

        Args:
            inputs: what the heads see.
            redrawn: whether the heads have other initial weights and random numbers; starting sets stay.
        """
        head, outputs = self.settings.model.head, len(self.prepared.targets.names)
        shape = HeadShape(len(inputs.statistics.mean), outputs, head.hidden, head.dropout)
        learners = {
            (strategy, seed): self._learner(inputs, strategy, seed, seed + REDRAWN * redrawn, shape)
            for strategy in self.strategies
            for seed in self.seeds
        }
        runs = [*learners.values()]
        trainer = build_trainer(self.settings)
        context = trainer.precision_plugin.forward_context
        stack = Stack(runs, inputs.rows, self.settings.model.batch_size, at_once(inputs.rows), context)
        module = CoilModule(PooledFeatures(shape.features), shape, self._plan(self.strategies[0]).task)
        module.standardise(inputs.statistics, inputs.standardised)
        fit(trainer, module, stack)
        if stack.errors:
            raise next(iter(stack.errors.values()))
        results: dict[str, list[Result]] = {strategy: [] for strategy in self.strategies}
        for (strategy, seed), learner in learners.items():
            results[strategy].append(self._result(seed, learner))
        return results

    def _result(self, seed: int, learner: ActiveLearning) -> Result:
        store, metric = learner.store, f"test/{self._plan(self.strategies[0]).task.primary}"
        assert isinstance(store, Curve)
        curve = [(row["labelled"], row[metric]) for row in store.rows]
        return Result(seed, [batch.ids for batch in learner.session.batches[1:]], aulc(*zip(*curve, strict=True)))

    def _learner(self, inputs: Inputs, strategy: str, start: int, seed: int, shape: HeadShape) -> ActiveLearning:
        plan, prepared = replace(self._plan(strategy), start_seed=start, query_seed=seed), self.prepared
        names, rates = prepared.targets.names, self.settings.model.optimizer
        session = Session(prepared.samples.names, prepared.split.pool)
        session.ask(lambda _: plan.starting_set(prepared, inputs.features))
        return ActiveLearning(
            title=f"{strategy} {seed}",
            session=session,
            answer=plan.oracle(prepared).answer,
            values=partial(as_values, names=names, kind=plan.task.kind),
            kind=plan.task.kind,
            counts=plan.counts(len(prepared.split.pool)),
            choose=partial(plan.choose, prepared),
            needs=plan.needs,
            evaluated=plan.evaluated(prepared),
            evaluate=plan.evaluator(prepared),
            names=prepared.samples.names,
            asked=lambda *_: None,
            store=Curve(),
            progress=Silent(),
            seed=seed,
            initial=shape.initial(seed),
            optimizer=Optimizer(rates.lr_head, rates.lr_backbone, rates.weight_decay),
        )

    def _plan(self, strategy: str) -> Plan:
        if strategy not in self._plans:
            self._plans[strategy] = Plan.of(self._settings(strategy))
        return self._plans[strategy]

    def _settings(self, strategy: str) -> Settings:
        fixed = ["task=multiclass", "trainer.accelerator=cpu", "score_validation=false", "study=precision"]
        return Settings.of(settings([*self.overrides, *fixed, f"strategy={strategy}"]))
