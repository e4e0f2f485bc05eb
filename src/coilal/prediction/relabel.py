"""The relabel queue of a run: images whose label, as it was told, a model that has not seen them doubts."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coilal.active.journal import Journal
from coilal.active.labels import Label, as_labels, as_text, as_values
from coilal.active.session import Session
from coilal.common.machine import ensure_writable, expanded
from coilal.common.types import FloatArray, IntArray, UserError
from coilal.fit.batches import Labelled
from coilal.fit.heads import Optimizer
from coilal.prediction.doubts import Doubts, can_judge, doubts, folds
from coilal.prediction.network import Network, probabilities_of
from coilal.prediction.own_data import NotAtHandError, OwnData
from coilal.prediction.trained_run import TrainedRun
from coilal.run_directory.files import write_atomically
from coilal.run_directory.health import RELABEL, REPLACE, SESSION
from coilal.run_directory.tables import as_csv

log = logging.getLogger(__name__)

FOLDS, REPEATS, SHOWN = 5, 3, 3
SETTINGS = (
    "run=RUNDIR",
    "out=FILE",
    "cache.dir=FOLDER",
    "model.weights=FILE",
    "trainer.accelerator=cpu|gpu|auto",
)


@dataclass(frozen=True)
class RelabelRequest:
    """What the command line of ``coilal.relabel`` asks for.

    Attributes:
        run: a run directory.
        out: the table.
        cache: the cache folder; None: that of the run.
        weights: where the backbone's weights lie now; None: where the run had them.
        accelerator: Lightning's; None: that of the run, or the CPU where it is not there.
    """

    run: Path
    out: Path
    cache: str | None = None
    weights: str | None = None
    accelerator: str | None = None

    @classmethod
    def of(cls, given: Mapping[str, str]) -> RelabelRequest:
        """Return what the settings, text by key, ask for.

        Raises:
            UserError: no run is given, or the table is no CSV file.
        """
        if "run" not in given:
            raise UserError("which run? Give its directory: run=outputs/STUDY/TASK/MODEL/STRATEGY/split0/seed0")
        run = expanded(given["run"], "run")
        out = expanded(given["out"], "out") if "out" in given else run / RELABEL
        if out.suffix.lower() != ".csv":
            raise UserError(f"out={out}: this file ends in .csv")
        others = (given.get(key) for key in ("cache.dir", "model.weights", "trainer.accelerator"))
        return cls(run, out, *others)


def relabel(request: RelabelRequest) -> Path:
    """Write the queue of a run; return its file.

    Raises:
        UserError: the run has no trained model or no session, its images are others now, or its labelled images are
            of one group.
    """
    ensure_writable(request.out.parent, "Give another file with out=FILE.")
    run = TrainedRun.of(request)
    try:
        data = OwnData.of(run)
        ids, labels = _told(run, data.samples.names)
        data.ids([data.samples.names[number] for number in ids.tolist()], ("content",))
    except NotAtHandError as error:
        raise UserError(f"the images of {run.folder} are not what it was told labels of: {error}") from error
    groups = [data.samples.groups[number] for number in ids.tolist()]
    if len(set(groups)) < 2:
        raise UserError(
            f"the {len(ids)} labelled images of {run.folder} are of one group, so that no model can judge a label "
            "without having seen its group: label images of others."
        )
    told = as_values(labels, run.names, run.kind)
    found = doubts(_out_of_fold(run, data, request, ids, told, groups), told)
    names = [data.samples.names[number] for number in ids.tolist()]
    rows = _rows(found, run.names, names, groups, labels)
    write_atomically(request.out, as_csv(rows, COLUMNS))
    _tell(request.out, rows, len(labels) - len(rows))
    return request.out


COLUMNS = ("rank", "image", "group", "told", "suggested", "told_probability", "doubt")


def _told(run: TrainedRun, names: tuple[str, ...]) -> tuple[IntArray, list[Label]]:
    """Return the ids of the images that were told a label, ascending, and their labels."""
    path = run.folder / SESSION
    if not path.exists():
        raise UserError(
            f"{run.folder} keeps no {SESSION}, which says what was told: an earlier version made it, or it is not "
            "whole."
        )
    session = Session(names, np.arange(len(names)), Journal(path, REPLACE), may_lose=True)
    ids, labels = session.labelled
    order = np.argsort(ids)
    return ids[order], [labels[place] for place in order.tolist()]


def _out_of_fold(
    run: TrainedRun,
    data: OwnData,
    request: RelabelRequest,
    ids: IntArray,
    told: NDArray[np.int64],
    groups: Sequence[str],
) -> FloatArray:
    """Return the probabilities (n, C) of heads that saw no image of the same group, means over divisions.

    Heads on the frozen backbone, also where the run trains blocks of it: those have seen all labels.
    """
    network = Network.of(_frozen(run), request.accelerator)
    settings, trials = network.settings, network.trials(data.images)
    rates, scale = settings.model.optimizer, settings.task.lr_scale
    optimizer = Optimizer(rates.lr_head * scale, rates.lr_backbone * scale, rates.weight_decay)
    initial = network.shape.initial(settings.seeds.train)
    total, judged = np.zeros((len(ids), len(run.names))), np.zeros((len(ids), len(run.names)), dtype=np.int64)
    divisions = f"{REPEATS} divisions of {len(set(groups))} groups"
    log.info("judging %d labels by heads that have not seen their groups: %s", len(ids), divisions)
    for repeat in range(REPEATS):
        log.info("division %d of %d", repeat + 1, REPEATS)
        for kept, held in folds(groups, FOLDS, repeat):
            labelled = Labelled(ids[kept], told[kept], repeat)
            logits = trials.logits([labelled], [initial], [optimizer], ids[held])[0]
            can = can_judge(told[kept], told[held]).reshape(len(held), -1)
            total[held] += np.where(can, probabilities_of(logits, run.kind), 0.0)
            judged[held] += can
    return np.where(judged > 0, total / np.maximum(judged, 1), np.nan)


def _frozen(run: TrainedRun) -> TrainedRun:
    """Return the run with the backbone that it began with."""
    model = run.settings.model
    model = replace(model, given={**model.given, "trainable": "head"}, trainable="head")
    tensors = {name: tensor for name, tensor in run.tensors.items() if not name.startswith("trained.")}
    return replace(run, settings=replace(run.settings, model=model), tensors=tensors)


def _rows(
    found: Doubts, names: Sequence[str], images: Sequence[str], groups: Sequence[str], labels: Sequence[Label]
) -> list[dict[str, object]]:
    suggested = as_labels(found.suggested, names)
    return [
        {
            "rank": rank,
            "image": images[place],
            "group": groups[place],
            "told": as_text(labels[place]),
            "suggested": as_text(suggested[place]),
            "told_probability": round(float(found.told_probability[place]), 6),
            "doubt": round(float(found.doubt[place]), 6),
        }
        for rank, place in enumerate(found.order.tolist(), start=1)
    ]


def _tell(out: Path, rows: Sequence[Mapping[str, object]], unjudged: int) -> None:
    log.info("%s: %d labelled images, the most doubtful first", out, len(rows))
    for row in [row for row in rows if row["told"] != row["suggested"]][:SHOWN]:
        log.info("  %(image)s was told «%(told)s», looks like «%(suggested)s» (doubt %(doubt).2f)", row)
    if unjudged:
        log.info("%d more could not be judged: no other group was told what they were", unjudged)
    log.info("next: look at the first ones; correct the table of your data, or the session in its page's gallery")
