"""Trainer, weights and data of a run, checked against each other and against what lies in its run directory."""

from __future__ import annotations

import time
from pathlib import Path

from pytorch_lightning import Trainer

from coilal.common.array_store import seconds_waited
from coilal.features.weights import fingerprint
from coilal.runs import chosen_on, same_data, shared
from coilal.runs.backbones import backbone_loader, ensure_weights_fit
from coilal.runs.experiment import Annotator, Experiment
from coilal.runs.hparams import ensure_found_on
from coilal.runs.inputs import ensure_backbone
from coilal.runs.plan import Plan
from coilal.runs.prepare import Prepared, describe, prepare
from coilal.runs.refusals import in_a_launch
from coilal.runs.same_division import tell_of_other_divisions
from coilal.runs.settings import Settings
from coilal.runs.stacking import alike
from coilal.runs.trainer import build_loggers, build_trainer, quieten_libraries


def assemble(
    settings: Settings,
    plan: Plan,
    weights: Path | None,
    trainers: dict[str, Trainer] | None = None,
    person: tuple[Annotator, Prepared] | None = None,
) -> Experiment:
    """Return what a run works with; writes nothing but the cache.

    Args:
        settings: those of the run.
        plan: what it will do.
        weights: file or folder of the weights, None for random ones.
        trainers: those of runs before, by ``stacking.alike``: building one takes longer than all else here.
        person: who labels, and the data as far as they are labelled; None where the data have all labels. The data
            may change while people label, and who asks them sees to that.

    Raises:
        UserError: the parts do not fit together, or the run was begun with others.
    """
    folder, known = settings.folder(), fingerprint(weights)
    quieten_libraries()
    trainers, kind = trainers if trainers is not None else {}, alike(settings)
    trainer = trainers[kind] = trainers.get(kind) or build_trainer(settings)
    loggers = build_loggers(settings)
    load = backbone_loader(settings, weights, known)
    reread = ensure_weights_fit(settings, weights, known, load)
    if person is not None:
        annotator, prepared = person
        experiment = Experiment(
            settings, plan, prepared, load, known, trainer, loggers, 0.0, reread, annotator=annotator
        )
        ensure_backbone(experiment)
        return experiment
    prepared, decode_s = load_data(settings, plan)
    plan.oracle(prepared)  # refuses classes of oracle.confusion that the data do not have
    ensure_found_on(settings.hparams, prepared.images.fingerprint)
    if not in_a_launch():
        chosen_on.tell_of(settings, prepared)
    if settings.task.replay:
        same_data.ensure_of_replayed(settings, settings.folder(settings.task.replay), prepared)
    if not settings.force:
        same_data.ensure_of_begun(settings, folder, prepared, known)
    same_data.tell_of_other_runs(settings, folder, prepared)
    experiment = Experiment(settings, plan, prepared, load, known, trainer, loggers, decode_s, reread)
    ensure_backbone(experiment)
    return experiment


def load_data(settings: Settings, plan: Plan) -> tuple[Prepared, float]:
    """Return the checked, split and decoded data and the seconds spent on them, waiting for others left out.

    Runs of one process read the same data once, and say once what they have read.
    """
    start, waited = time.perf_counter(), seconds_waited()
    determined_by = {
        "data": settings.data.given,
        "cache": settings.cache,
        "records": settings.records,
        "split": settings.split,
        "task": settings.task.module,
        "budget": plan.budget,
    }

    def read() -> Prepared:
        prepared = prepare(settings, plan.task, plan.budget, oracle_is_simulated=True)
        describe(prepared)
        if not in_a_launch():
            tell_of_other_divisions([settings])
        return prepared

    prepared = shared.PREPARED.get(determined_by, read)
    return prepared, time.perf_counter() - start - (seconds_waited() - waited)
