"""The cycles of runs: training, scoring and asking until their budget is spent.

Importing this module imports all that every run needs, so that a process pays for it once and in one place.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from pytorch_lightning.loggers import Logger

from coilal.active.labels import as_values
from coilal.active.oracle import Oracle
from coilal.active.predictions import predictions
from coilal.common.device_memory import free_memory
from coilal.common.signals import ends_the_job
from coilal.common.types import Problem
from coilal.features.backbone import PooledFeatures
from coilal.features.heap import keep_freed_memory
from coilal.fit.cycles import ActiveLearning
from coilal.fit.heads import HeadShape, Optimizer
from coilal.fit.loop import fit
from coilal.fit.module import CoilModule
from coilal.fit.scoring import at_once
from coilal.fit.stack import Stack
from coilal.fit.standardise import Inputs
from coilal.run_directory.aulc import aulc
from coilal.run_directory.files import read_status
from coilal.run_directory.learning_curve import learning_curve
from coilal.runs.experiment import Annotator, Experiment
from coilal.runs.inputs import initial_features, training_inputs
from coilal.runs.loggers.run_logger import RunInfo, RunLogger
from coilal.runs.progress import RunProgress
from coilal.runs.recorder import Recorder
from coilal.runs.sessions import open_session
from coilal.runs.study_map import keep_map
from coilal.runs.told_labels import differing
from coilal.runs.trainer import build_trainer

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")


def learn(experiments: Sequence[Experiment]) -> list[float | Exception]:
    """Run the cycles that are left of runs that are alike, side by side, and draw their curves.

    Returns:
        The validation AULC of each run, or what ended it; a run alone raises.
    """
    failed: dict[Experiment, Exception] = {}
    runs = _each(dict.fromkeys(experiments), lambda experiment, _: _Run(experiment), failed)
    values = _learn(runs, failed) if runs else {}
    results: dict[Experiment, float | Exception] = {**values, **failed}
    return [results[experiment] for experiment in experiments]


def _learn(runs: Mapping[Experiment, _Run], failed: dict[Experiment, Exception]) -> dict[Experiment, float]:
    first, one = next(iter(runs.items()))
    alone, done = len(runs) == 1, sum(run.recorder.finished for run in runs.values())
    name = first.settings.title() if alone else f"{first.settings.kind()} · {len(runs)} runs"
    person = first.annotator  # who stops when she likes
    cycles = None if person else len(first.plan.counts(len(first.prepared.split.pool))) - 1
    told = person.told if person else None
    with RunProgress(name, cycles, one.metric, first=done, runs=len(runs), told=told) as progress:
        inputs, extract_s = training_inputs(first, progress)
        share = extract_s / len(runs)
        for experiment in {run.settings.records: run for run in runs}.values():
            keep_map(experiment, inputs)
        learners = _each(runs, lambda _, run: run.begin(inputs, share, progress), failed)
        errors = _fit(first, inputs, [learner for learner in learners.values() if not learner.is_finished])
        failed |= {experiment: errors[learner] for experiment, learner in learners.items() if learner in errors}
        trained = {experiment: run for experiment, run in runs.items() if experiment not in failed}
        return _each(trained, lambda _, run: run.close(progress, alone), failed)


def _each(
    runs: Mapping[Experiment, T], do: Callable[[Experiment, T], R], failed: dict[Experiment, Exception]
) -> dict[Experiment, R]:
    """Do something for each run, and note those of which it fails; where there is one alone, it raises."""
    done: dict[Experiment, R] = {}
    for experiment, run in runs.items():
        try:
            done[experiment] = do(experiment, run)
        except Exception as error:
            if (len(runs) == 1 and not failed) or ends_the_job(error):
                raise
            failed[experiment] = error
    return done


def _fit(experiment: Experiment, inputs: Inputs, learners: list[ActiveLearning]) -> dict[ActiveLearning, Exception]:
    """Train what is left to be trained, with the settings that all have in common; return who failed, and why."""
    if not learners:
        return {}
    settings = experiment.settings
    trainer = build_trainer(settings)  # one that nobody has trained with, while runs share that of the experiment
    if experiment.device.type == "cpu":
        keep_freed_memory()  # batches of a whole stack are large enough to be given back in between
    module, batch = _module(experiment, inputs), settings.model.batch_size
    free = free_memory(experiment.device)
    stack = Stack(
        runs=learners,
        rows=inputs.rows,
        batch_size=batch,
        scoring=at_once(inputs.rows),
        precision=trainer.precision_plugin.forward_context,
        memory=int(settings.cache.memory_gb * 1e9),
        score_memory=free // 4,
        most=max(1, free // 2 // module.shape.memory(batch)),
    )
    if len(learners) == 1:
        trainer.loggers = list(learners[0].loggers)  # what a user's callbacks log within a fit goes there, too
        fit(trainer, module, stack)
    else:
        with _finalized(stack):
            fit(trainer, module, stack)
    return stack.errors


@contextmanager
def _finalized(stack: Stack) -> Iterator[None]:
    """Tell the loggers of several runs how training has ended, as Lightning tells those of one."""
    ended = "failed"
    try:
        yield
        ended = "success"
    finally:
        for run in stack.runs:
            for logger in run.loggers if run not in stack.errors else ():
                logger.finalize(ended)


def _module(experiment: Experiment, inputs: Inputs) -> CoilModule:
    model = experiment.settings.model
    alone = model.trains_the_head_alone
    backbone = PooledFeatures(inputs.rows.boundary.shape[1]) if alone else experiment.load_backbone()
    module = CoilModule(backbone, _shape(experiment, backbone.features), experiment.plan.task, model.compile)
    module.standardise(inputs.statistics, inputs.standardised)
    return module


def _shape(experiment: Experiment, features: int) -> HeadShape:
    head, outputs = experiment.settings.model.head, len(experiment.prepared.targets.names)
    return HeadShape(features, outputs, head.hidden, head.dropout)


class _Run:
    """What one run keeps and tells, from its first cycle to its curve.

    Raises:
        UserError: its session is damaged, or of other images.
    """

    def __init__(self, experiment: Experiment) -> None:
        plan, prepared, folder = experiment.plan, experiment.prepared, experiment.settings.folder()
        self.experiment, self.folder = experiment, folder
        self.counts = plan.counts(len(prepared.split.pool), experiment.annotator is not None)
        self.annotator: Annotator | Oracle
        if experiment.annotator:
            self.annotator, self.session = experiment.annotator, experiment.annotator.session
            self.recorder = Recorder(folder, prepared, plan.task.kind, self.session, by_people=True)
        else:
            self.annotator = oracle = plan.oracle(prepared)
            self.session = open_session(folder, prepared, oracle, len(self.counts))
            _tell_of_other_labels(differing(self.session, prepared, oracle), folder)
            truth = oracle.true_label if oracle.errs else None
            self.recorder = Recorder(folder, prepared, plan.task.kind, self.session, truth=truth)
        self.metric, self.curve = f"test/{plan.task.primary}", folder / "curve.png"
        self.loggers: Sequence[Logger] = experiment.loggers

    @property
    def _told(self) -> list[RunLogger]:
        return [logger for logger in self.loggers if isinstance(logger, RunLogger)]

    def begin(self, inputs: Inputs, extract_s: float, progress: RunProgress) -> ActiveLearning:
        """Tell the loggers, ask for the starting set, and return what is to be learnt."""
        experiment = self.experiment
        settings, plan, prepared = experiment.settings, experiment.plan, experiment.prepared
        identity = read_status(self.folder)["identity"]
        for logger in self._told:
            logger.begin(RunInfo(settings.config, identity, self.recorder, self.metric, prepared.pixels))
        plan.begin(self.session, prepared, partial(initial_features, experiment, inputs))
        person = experiment.annotator
        rates, scale = settings.model.optimizer, settings.task.lr_scale
        return ActiveLearning(
            title=experiment.settings.title(),
            session=self.session,
            answer=self.annotator.answer,
            values=partial(as_values, names=prepared.targets.names, kind=plan.task.kind),
            kind=plan.task.kind,
            counts=self.counts,
            choose=partial(plan.choose, prepared),
            needs=plan.needs,
            waits=person is not None,
            seen=person.note if person else None,
            ahead=plan.budget.ahead,
            judged=plan.judged(prepared),
            evaluated=plan.evaluated(prepared),
            evaluate=plan.evaluator(prepared),
            line=plan.line(prepared),
            names=prepared.samples.names,
            predictions=partial(predictions, names=prepared.targets.names, kind=plan.task.kind),
            store=self.recorder,
            progress=progress,
            seed=settings.seeds.train,
            initial=_shape(experiment, len(inputs.statistics.mean)).initial(settings.seeds.train),
            optimizer=Optimizer(rates.lr_head * scale, rates.lr_backbone * scale, rates.weight_decay),
            loggers=self.loggers,
            preparation={"decode_s": experiment.decode_s, "extract_s": extract_s},
        )

    def close(self, progress: RunProgress, alone: bool) -> float:
        """Draw the curve, tell how the run has ended, and return its validation AULC."""
        experiment = self.experiment
        cycles = self.recorder.cycles()
        note = "random weights" if experiment.weights == "random" else None
        learning_curve(cycles, self.curve, experiment.settings.title(), self.metric, note)
        for logger in self._told:
            logger.end(cycles, self.curve)
        if alone:
            progress.closing_table(cycles, self.curve)
        else:
            progress.closing_line(experiment.settings.title(), cycles, self.curve)
        value = f"val/{experiment.plan.task.primary}"
        known = value in cycles and cycles[value].notna().all()  # an earlier version may have begun without it
        return aulc(cycles["labelled"], cycles[value]) if known else math.nan


def _tell_of_other_labels(told: tuple[str, ...], folder: Path) -> None:
    if told:
        problem = Problem("images whose label was told otherwise than it is in the data (told → now)", told)
        log.warning("%s goes on with the labels that it was told:\n%s", folder, problem.describe())
