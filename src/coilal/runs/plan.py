"""What a run will do, settled before any data is read: task, strategy, budget, replayed selection."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from coilal.active.features import Features
from coilal.active.oracle import Oracle
from coilal.active.outputs import PoolOutputs, Selection
from coilal.active.starting_set import draw
from coilal.active.strategies.strategy import Needs, Strategy, names_fitting
from coilal.common.instantiate import instantiate
from coilal.common.long_work import told_if_slow
from coilal.common.types import Budget, IntArray, UserError
from coilal.run_directory import identity
from coilal.run_directory.data_record import GIVEN_SPLIT
from coilal.run_directory.files import read_status
from coilal.run_directory.health import read_config
from coilal.run_directory.store import read_queries
from coilal.runs.sessions import ids_in_pool
from coilal.runs.stacking import why_alone
from coilal.runs.starting import STRATEGIES, starter

if TYPE_CHECKING:
    from torch import Tensor

    from coilal.active.session import Session
    from coilal.fit.tasks.task import Task
    from coilal.runs.prepare import Prepared
    from coilal.runs.settings import Settings

# Streams of random numbers that must not depend on one another.
STARTING_SET, QUERY = 1, 2


@dataclass(frozen=True)
class Plan:
    """Task, strategy and budget of a run.

    Attributes:
        task: what is learnt.
        strategy: chooses the queries.
        budget: how many labels are bought, and when.
        start_seed: seed of the starting set.
        query_seed: seed of the strategy's random choices.
        starter: chooses the starting set where the budget names a strategy, else None.
        replayed: the queries of the run whose selection is replayed, or None.
        scores_validation: whether the validation split is scored in each cycle.
    """

    task: Task
    strategy: Strategy
    budget: Budget
    start_seed: int
    query_seed: int
    starter: Strategy | None
    replayed: pd.DataFrame | None
    scores_validation: bool

    @classmethod
    def of(cls, settings: Settings) -> Plan:
        """Build the parts and check that they fit together.

        Raises:
            UserError: the strategy does not fit the task, or the run to be replayed is not there.
        """
        budget: Budget = instantiate(settings.budget)
        strategy: Strategy = instantiate(settings.strategy)
        task = instantiate(settings.task.module)  # last: it imports torch, and a wrong budget is told at once
        kind = settings.task.replay or task.kind
        start = starter(budget.start)
        for each in (strategy, *([start] if start else [])):
            each.check(kind, lambda: names_fitting(STRATEGIES, kind))
        if strategy.groups is not None and budget.ahead:
            raise UserError(
                "strategy.groups asks for batches of any size, which budget.ahead cannot plan: set one."
            )
        strategy.check_model(settings.model.head.dropout, why_alone(settings))
        replayed = _replayed_queries(settings, settings.task.replay) if settings.task.replay else None
        # auto: where the strategy looks at anything
        asked = settings.score_validation
        scores_validation = strategy.needed != Needs() if asked == "auto" else bool(asked)
        seeds = settings.seeds
        if strategy.needed.trials and not scores_validation:
            raise UserError(
                f"strategy={strategy.name} looks at the validation metric: score_validation must be true."
            )
        return cls(task, strategy, budget, seeds.start, seeds.train, start, replayed, scores_validation)

    @property
    def needs(self) -> Needs:
        """What must be computed before a query."""
        return self.strategy.needed if self.replayed is None else Needs()

    def counts(self, pool: int, by_people: bool = False) -> tuple[int, ...]:
        """Return the labelled counts after each cycle; the last batch may be cut short by the pool's end.

        People skip images, are unsure, and add files: theirs are those of the budget, whatever the pool holds.
        """
        counts = self.budget.counts()
        if by_people:
            return counts
        if self.replayed is not None:
            counts = tuple(int(n) for n in self.replayed.groupby("cycle").size().cumsum())
        if self.strategy.groups is not None:  # batches are as large as groups are; the run ends with the pool
            return (min(counts[0], pool), *counts[1:])
        reached = [min(count, pool) for count in counts]
        return tuple(sorted(set(reached)))

    def evaluated(self, prepared: Prepared) -> dict[str, IntArray]:
        """Return the ids of the parts that are scored after each fit."""
        scores_validation = self.scores_validation and len(prepared.split.validation)  # people may have none
        validation = {"val": prepared.split.validation} if scores_validation else {}
        return {"test": prepared.split.test, **validation}

    def oracle(self, prepared: Prepared) -> Oracle:
        """Return the oracle, who knows the labels of the whole data set."""
        return Oracle(prepared.targets.values, prepared.targets.names)

    def begin(self, session: Session, prepared: Prepared, features: Callable[[IntArray], Features]) -> None:
        """Ask for what is labelled before a model can choose: the starting set, and the batches that are ahead.

        Args:
            session: asks; what it has asked for before a kill stays.
            prepared: the data.
            features: gives those of the backbone before training, standardised, for some ids.
        """
        most = min(1 + self.budget.ahead, len(self.counts(len(prepared.split.pool))))
        for number in range(len(session.batches), most):
            if len(session.unlabelled):
                session.ask(lambda free, number=number: self._begun(prepared, number, free, features), most)  # type: ignore[misc]

    def _begun(
        self, prepared: Prepared, number: int, free: IntArray, features: Callable[[IntArray], Features]
    ) -> Selection:
        """Return the images of the first batches, of those that are free."""
        if self.replayed is not None:
            return self._replay(prepared, number)
        generator = np.random.default_rng([self.start_seed, STARTING_SET, *([number] if number else [])])
        counts = self.counts(len(prepared.split.pool))
        count = min(counts[number] - (counts[number - 1] if number else 0), len(free))
        if self.starter is not None:
            taken = np.setdiff1d(prepared.split.pool, free)
            both = features(np.concatenate([free, taken]))
            of_free, of_taken = both.subset(np.arange(len(free))), both.subset(np.arange(len(free), len(both)))
            outputs = PoolOutputs(
                self.task.kind,
                free,
                features=of_free,
                labelled=of_taken,
                classes=len(prepared.targets.names),
                cycle=number,
            )
            with told_if_slow(f"choosing {count} of {len(free)} images to begin with"):
                return self.starter(outputs, count, generator)
        ids = draw(free, prepared.targets.values[free], count, self.budget.start, generator)
        return Selection(ids, np.full(len(ids), np.nan))

    def choose(self, prepared: Prepared, cycle: int, outputs: PoolOutputs, size: int) -> Selection:
        """Return the images that are trained on from ``cycle`` on, chosen by the outputs of the cycle before."""
        if self.replayed is not None:
            return self._replay(prepared, cycle)
        outputs = replace(outputs, classes=len(prepared.targets.names))
        if self.strategy.per_group is not None or self.strategy.groups is not None:
            groups = [prepared.samples.groups[number] for number in outputs.ids.tolist()]
            outputs = replace(outputs, groups=np.unique(groups, return_inverse=True)[1])
        return self.strategy(outputs, size, np.random.default_rng([self.query_seed, cycle, QUERY]))

    def evaluator(self, prepared: Prepared) -> Callable[[str, Tensor], dict[str, float]]:
        """Return the function (part, logits) → metrics of the test or validation split; NaN where it is empty."""
        import torch

        parts = self.evaluated(prepared)
        values = {part: torch.from_numpy(prepared.targets.values[ids]) for part, ids in parts.items()}

        def evaluate(part: str, logits: Tensor) -> dict[str, float]:
            if not len(values[part]):
                return {self.task.primary: math.nan}
            return self.task.evaluate(logits, values[part], prepared.targets)

        return evaluate

    def judged(self, prepared: Prepared) -> tuple[Callable[[IntArray], NDArray[np.int64]], str] | None:
        """Return the true labels of ids and the column of the validation metric, for an upper bound; else None.

        Raises:
            UserError: an image of the pool has no label.
        """
        if not self.needs.trials:
            return None
        values, pool = prepared.targets.values, prepared.split.pool
        if unknown := int((~prepared.targets.is_labelled[pool]).sum()):
            raise UserError(
                f"strategy={self.strategy.name} is an upper bound, which needs the labels of the whole pool, and "
                f"{unknown} of {len(pool)} images have none."
            )
        return (lambda ids: values[ids]), self.task.primary

    def _replay(self, prepared: Prepared, cycle: int) -> Selection:
        assert self.replayed is not None
        batch = self.replayed[self.replayed["cycle"] == cycle]
        scores = pd.to_numeric(batch["score"], errors="coerce").to_numpy(float)
        return Selection(ids_in_pool(batch["image"], prepared, "the replayed run has queried"), scores)


def _replayed_queries(settings: Settings, task: str) -> pd.DataFrame:
    source, name = settings.folder(task), settings.task.name
    status = read_status(source)
    if status.get("state") != "done":
        raise UserError(
            f"task={name} replays the selection of {source}, and that run is not finished. Make it with\n"
            f"  {_source_command(settings, task)}"
        )
    old, new = read_config(source / "config.yaml"), settings.config
    parts = ("data", "seeds", "budget")
    split_is_given = GIVEN_SPLIT in status.get("data", {})
    of_old, of_new = ({key: config[key] for key in parts} for config in (old, new))
    differing = identity.differences(of_old, of_new, split_is_given)
    if differing:
        raise UserError(
            f"task={name} replays {source}, which has other settings (there → here):\n  "
            + "\n  ".join(differing)
            + "\nUse the same ones, or another study=…"
        )
    return read_queries(source)


def _source_command(settings: Settings, task: str) -> str:
    kept = [override for override in settings.overrides if not override.startswith(("task=", "task."))]
    if not settings.overrides:
        kept = [f"study={settings.study}", f"strategy={settings.strategy['name']}", f"seed={settings.seed}"]
    return shlex.join(["python", "-m", "coilal.train", f"task={task}", *kept])
