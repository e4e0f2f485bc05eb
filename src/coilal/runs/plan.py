"""What a run will do, settled before any data is read: task, strategy, budget, replayed selection."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from coilal.active.features import Features
from coilal.active.oracle import Oracle
from coilal.active.outputs import PoolOutputs, Selection
from coilal.active.starting_set import draw, draw_spread
from coilal.active.strategies.strategy import Needs, Strategy, names_fitting
from coilal.common.instantiate import instantiate
from coilal.common.long_work import told_if_slow
from coilal.common.types import Budget, FloatArray, IntArray, UserError
from coilal.inspection.line import Inspection, Known, Line
from coilal.inspection.operating_point import Classes
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
    from coilal.runs.settings import OracleSettings, Settings

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
        noise: how often the simulated oracle errs; its errors are those of ``start_seed``.
        inspection: how a line decides.
    """

    task: Task
    strategy: Strategy
    budget: Budget
    start_seed: int
    query_seed: int
    starter: Strategy | None
    replayed: pd.DataFrame | None
    scores_validation: bool
    noise: OracleSettings
    inspection: Inspection

    @classmethod
    def of(cls, settings: Settings) -> Plan:
        """Build the parts and check that they fit together.

        Raises:
            UserError: the strategy does not fit the task, or the run to be replayed is not there, or an oracle errs
                in a replay.
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
        if settings.task.replay and settings.oracle.errs:
            raise UserError(
                f"task={settings.task.name} replays what was chosen by other labels, and an oracle that errs "
                "would tell both tasks different errors: give oracle.error_rate=0 and oracle.confusion=null."
            )
        replayed = _replayed_queries(settings, settings.task.replay) if settings.task.replay else None
        scores_validation = settings.score_validation is not False  # auto: the operating point needs it
        seeds = settings.seeds
        if strategy.needed.trials and not scores_validation:
            raise UserError(
                f"strategy={strategy.name} looks at the validation metric: score_validation must be true."
            )
        random = (seeds.start, seeds.train, start)
        how = (settings.oracle, settings.inspection)
        return cls(task, strategy, budget, *random, replayed, scores_validation, *how)

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
        """Return the oracle, who knows the labels of the whole data set.

        Raises:
            UserError: ``oracle.confusion`` does not fit the classes or labels of the data.
        """
        targets = prepared.targets
        noise = self.noise.of(targets, self.start_seed)
        return Oracle(targets.values, targets.names, noise, prepared.samples.names)

    def begin(self, session: Session, prepared: Prepared, features: Callable[[IntArray], Features]) -> None:
        """Ask for what is labelled before a model can choose: the starting set, and the batches that are ahead.

        A starting set alone is the same for all strategies; batches that are ahead, as people need them, are of few
        images of a group where those of the strategy are (``strategy.per_group``).

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
        most = self.strategy.per_group if self.budget.ahead else None  # people label these, too
        if self.starter is not None:
            taken = np.setdiff1d(prepared.split.pool, free)
            both = features(np.concatenate([free, taken]))
            of_free, of_taken = both.subset(np.arange(len(free))), both.subset(np.arange(len(free), len(both)))
            outputs = PoolOutputs(
                self.task.kind,
                free,
                features=of_free,
                labelled=of_taken,
                groups=None if most is None else _groups(prepared, free),
                classes=len(prepared.targets.names),
                cycle=number,
            )
            with told_if_slow(f"choosing {count} of {len(free)} images to begin with"):
                return replace(self.starter, per_group=most)(outputs, count, generator)
        if most is not None and self.budget.start == "random":
            ids = draw_spread(free, _groups(prepared, free), count, most, generator)
        else:
            ids = draw(free, prepared.targets.values[free], count, self.budget.start, generator)
        return Selection(ids, np.full(len(ids), np.nan))

    def choose(self, prepared: Prepared, cycle: int, outputs: PoolOutputs, size: int) -> Selection:
        """Return the images that are trained on from ``cycle`` on, chosen by the outputs of the cycle before."""
        if self.replayed is not None:
            return self._replay(prepared, cycle)
        outputs = replace(outputs, classes=len(prepared.targets.names))
        if self.strategy.per_group is not None or self.strategy.groups is not None:
            outputs = replace(outputs, groups=_groups(prepared, outputs.ids))
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

    def line(self, prepared: Prepared) -> Callable[[Mapping[str, Tensor]], dict[str, float]] | None:
        """Return the function logits by part → figures that a line decides by.

        None where validation is not scored, or a part has no images, of which people may not have labelled any.
        """
        parts = self.evaluated(prepared)
        if "val" not in parts or not len(parts["test"]):
            return None
        targets, groups = prepared.targets, prepared.samples.groups
        classes = Classes(targets.kind, targets.names, targets.good_class)
        known = {
            part: Known.of(targets.values[ids], [groups[number] for number in ids.tolist()])
            for part, ids in parts.items()
        }
        line = Line(classes, self.inspection, known["val"], known["test"])

        def figures(logits: Mapping[str, Tensor]) -> dict[str, float]:
            validation, test = (_as_doubles(logits[part]) for part in ("val", "test"))
            return line.figures(validation, test)

        return figures

    def judged(self, prepared: Prepared) -> tuple[Callable[[IntArray], NDArray[np.int64]], str] | None:
        """Return what will be told of ids and the column of the validation metric, for an upper bound; else None.

        Raises:
            UserError: an image of the pool has no label.
        """
        if not self.needs.trials:
            return None
        pool = prepared.split.pool
        if unknown := int((~prepared.targets.is_labelled[pool]).sum()):
            raise UserError(
                f"strategy={self.strategy.name} is an upper bound, which needs the labels of the whole pool, and "
                f"{unknown} of {len(pool)} images have none."
            )
        return self.oracle(prepared).told, self.task.primary

    def _replay(self, prepared: Prepared, cycle: int) -> Selection:
        assert self.replayed is not None
        batch = self.replayed[self.replayed["cycle"] == cycle]
        scores = pd.to_numeric(batch["score"], errors="coerce").to_numpy(float)
        return Selection(ids_in_pool(batch["image"], prepared, "the replayed run has queried"), scores)


def _groups(prepared: Prepared, ids: IntArray) -> IntArray:
    """Return the number of the group of each image."""
    names = [prepared.samples.groups[number] for number in ids.tolist()]
    return np.unique(names, return_inverse=True)[1]


def _as_doubles(logits: Tensor) -> FloatArray:
    return np.asarray(logits.numpy(), dtype=np.float64)  # sure predictions would tie at 1 in float32


def _replayed_queries(settings: Settings, task: str) -> pd.DataFrame:
    source, name = settings.folder(task), settings.task.name
    status = read_status(source)
    if status.get("state") != "done":
        raise UserError(
            f"task={name} replays the selection of {source}, and that run is not finished. Make it with\n"
            f"  {_source_command(settings, task)}"
        )
    old, new = read_config(source / "config.yaml"), settings.config
    parts = ("data", "seeds", "budget", "oracle")
    split_is_given = GIVEN_SPLIT in status.get("data", {})
    of_old, of_new = ({key: config[key] for key in parts if key in config} for config in (old, new))
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
        kept = [f"study={settings.study}", f"strategy={settings.strategy['name']}"]
        kept += [f"split={settings.split}", f"seed={settings.seed}"]
    return shlex.join(["python", "-m", "coilal.train", f"task={task}", *kept])
