"""Predictions for a folder of images: from what is asked for to the tables."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from coilal.common.machine import ensure_writable, writing
from coilal.inspection.operating_point import Classes, OperatingPoint, decide
from coilal.inspection.parts import Parts, decide_parts
from coilal.prediction import tables
from coilal.prediction.images import Pictures
from coilal.prediction.network import Network
from coilal.prediction.own_data import Rules, found_rules
from coilal.prediction.request import Request
from coilal.prediction.trained_run import TrainedRun
from coilal.run_directory.files import now

log = logging.getLogger(__name__)


def predict(request: Request) -> Path:
    """Write the tables of a folder's images and parts; return that of the images.

    Decoded images and outputs of the frozen part are kept in the cache as those of a run are: after a kill the same
    command goes on.

    Raises:
        UserError: the run, the folder or its images cannot be used, or a file there is somebody else's.
    """
    assert request.root is not None
    ensure_writable(request.out.parent, "Give another file with out=FILE.")
    run = TrainedRun.of(request)
    run.ensure_fits(request)
    made_with = _made_with(run, request.root)
    if not request.force:
        tables.ensure_own(request.out, made_with)
    pictures = Pictures.of(request.root, run, request)
    network = Network.of(run, request.accelerator)
    images = pictures.decoded(run)
    classes = Classes(run.kind, run.names, run.good)
    rules = found_rules(run, network, classes, request.overkill)
    probabilities = network.probabilities(images)
    decided = decide(classes, rules.point, probabilities)
    parts = decide_parts(classes, pictures.groups, probabilities, decided, rules.parts)
    about = made_with | {
        "model": run.settings.model.name,
        "task": run.settings.task.name,
        "images": len(pictures.names),
        "groups": len(parts.groups),
        "classes": list(run.names),
        "good_class": None if classes.good is None else run.names[classes.good],
        "overkill": request.overkill,
        **rules.as_json(),
        "written": now(),
    }
    with writing(request.out):
        request.out.parent.mkdir(parents=True, exist_ok=True)
    tables.write(request.out, pictures.names, pictures.groups, classes, probabilities, decided, parts, about)
    _tell(request.out, classes, rules, parts, len(pictures.names))
    return request.out


def _made_with(run: TrainedRun, root: Path) -> dict[str, Any]:
    return {
        "run": str(run.folder.resolve()),
        "identity": run.status.get("identity"),
        "folder": str(root.resolve()),
    }


def _tell(out: Path, classes: Classes, rules: Rules, parts: Parts, images: int) -> None:
    of_images, of_parts, about = tables.files(out)
    for line in in_words(classes, rules):
        log.info("%s", line)
    found = parts.decisions.is_faulty
    faulty = "" if found is None else f", {int(found.sum())} of them faulty"
    log.info("%s: %d images; %s: %d groups%s; %s", of_images, images, of_parts, len(parts.groups), faulty, about)


def in_words(classes: Classes, rules: Rules) -> list[str]:
    """Return where the lines were drawn, and how good they are on what they were drawn on, in sentences."""
    lines = _in_words(classes, rules.point, "operating point", "images")
    if rules.parts is not None:
        lines += _in_words(classes, rules.parts.point, "operating point of groups", "groups")
    return lines


def _in_words(classes: Classes, point: OperatingPoint, name: str, what: str) -> list[str]:
    lines = [f"{name}: {point.why}"]
    if point.thresholds is not None and point.good:
        named = classes.names if classes.kind == "multilabel" else ("faulty",)
        above = ", ".join(f"{name} above {value:.3g}" for name, value in zip(named, point.thresholds, strict=True))
        lines.append(
            f"  {above}; of the run's validation {what} {point.rejected} of {point.good} good ones are taken for "
            f"faulty, and {point.passed} of {point.faulty} faulty ones for good"
        )
    return lines
