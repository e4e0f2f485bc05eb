"""The cycles of a run: training, scoring and asking until the budget is spent.

Importing this module imports all that every run needs, so that a process pays for it once and in one place.
"""

from __future__ import annotations

import logging
import math
from functools import partial
from pathlib import Path

import torch

from coilal.active.labels import as_values
from coilal.common.types import Problem
from coilal.features.backbone import PooledFeatures
from coilal.fit.cycles import ActiveLearning
from coilal.fit.loop import LabelledData, QueryRetrainLoop
from coilal.fit.module import CoilModule, Optimizer
from coilal.fit.standardise import Inputs
from coilal.run_directory.aulc import aulc
from coilal.run_directory.files import read_status
from coilal.run_directory.learning_curve import learning_curve
from coilal.runs.experiment import Experiment
from coilal.runs.inputs import inference_batch, training_inputs
from coilal.runs.loggers.run_logger import Predicted, RunInfo, RunLogger
from coilal.runs.progress import RunProgress
from coilal.runs.recorder import Recorder
from coilal.runs.sessions import open_session
from coilal.runs.told_labels import differing

log = logging.getLogger(__name__)


def learn(experiment: Experiment) -> float:
    """Run the cycles that are left, draw the curve, and return the validation AULC."""
    settings, plan, prepared = experiment.settings, experiment.plan, experiment.prepared
    trainer, folder = experiment.trainer, settings.folder()
    oracle, counts = plan.oracle(prepared), plan.counts(len(prepared.split.pool))
    session = open_session(folder, prepared, oracle, len(counts))
    _tell_of_other_labels(differing(session, prepared), folder)
    recorder = Recorder(folder, prepared, plan.task.kind, session)
    metric, curve = f"test/{plan.task.primary}", folder / "curve.png"
    predicted = Predicted(prepared.samples.names, prepared.targets.names)
    told = [logger for logger in trainer.loggers if isinstance(logger, RunLogger)]
    with RunProgress(experiment.title(), len(counts) - 1, metric, first=recorder.finished) as progress:
        inputs, extract_s = training_inputs(experiment, progress)
        for logger in told:
            logger.begin(RunInfo(settings.config, read_status(folder)["identity"], recorder, metric, predicted))
        if recorder.finished < len(counts):
            if not session.batches:
                session.ask(lambda _: plan.starting_set(prepared))
            learning = ActiveLearning(
                session=session,
                answer=oracle.answer,
                values=partial(as_values, names=prepared.targets.names, kind=plan.task.kind),
                boundary=inputs.boundary,
                kind=plan.task.kind,
                counts=counts,
                choose=partial(plan.choose, prepared),
                needs_logits=plan.needs_logits,
                evaluated=plan.evaluated(prepared),
                evaluate=plan.evaluator(prepared),
                names=prepared.samples.names,
                asked=predicted.note,
                store=recorder,
                progress=progress,
                seed=settings.seeds.train,
                batch_size=settings.model.batch_size,
                inference_batch=inference_batch(settings.model),
                precision=trainer.precision_plugin.forward_context,
                memory=int(settings.cache.memory_gb * 1e9),
                preparation={"decode_s": experiment.decode_s, "extract_s": extract_s},
            )
            trainer.fit_loop = QueryRetrainLoop(trainer, learning)
            trainer.fit(_module(experiment, inputs), datamodule=LabelledData(learning))
        cycles = recorder.cycles()
        note = "random weights" if experiment.weights == "random" else None
        learning_curve(cycles, curve, experiment.title(), metric, note)
        for logger in told:
            logger.end(cycles, curve)
        progress.closing_table(cycles, curve)
    if not plan.scores_validation:
        return math.nan
    return aulc(cycles["labelled"], cycles[f"val/{plan.task.primary}"])


def _tell_of_other_labels(told: tuple[str, ...], folder: Path) -> None:
    if told:
        problem = Problem("images whose label was told otherwise than it is in the data (told → now)", told)
        log.warning("%s goes on with the labels that it was told:\n%s", folder, problem.describe())


def _module(experiment: Experiment, inputs: Inputs) -> CoilModule:
    settings, model = experiment.settings, experiment.settings.model
    rates, scale = model.optimizer, settings.task.lr_scale
    alone = model.trains_the_head_alone
    backbone = PooledFeatures(inputs.boundary.shape[1]) if alone else experiment.load_backbone()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seeds.train)
        module = CoilModule(
            backbone,
            len(experiment.prepared.targets.names),
            experiment.plan.task,
            Optimizer(rates.lr_head * scale, rates.lr_backbone * scale, rates.weight_decay),
            model.head.hidden,
            model.head.dropout,
            model.compile,
        )
    module.standardise(inputs.statistics, inputs.standardised)
    return module
