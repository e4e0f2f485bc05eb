"""What the command line of ``coilal.predict`` asks for, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from coilal.common.choices import chosen
from coilal.common.machine import expanded
from coilal.common.types import UserError

IMAGE = ("size", "fit", "mode", "range", "page")
"""Settings of ``data.image``, which are those of the run."""

FORMATS = ("onnx", "torchscript")
SUFFIX = {"onnx": ".onnx", "torchscript": ".pt"}

SETTINGS = (
    "run=RUNDIR",
    "data.root=FOLDER",
    "out=FILE",
    "overkill=PERCENT",
    "export=onnx|torchscript",
    "classes=[A,B]",
    "class_folders=false",
    "data.labels=TABLE",
    "data.source.group_pattern=REGEX",
    *(f"data.image.{name}=AS_THE_RUN" for name in IMAGE),
    "cache.dir=FOLDER",
    "model.weights=FILE",
    "trainer.accelerator=cpu|gpu|auto",
    "force=true",
)


@dataclass(frozen=True)
class Request:
    """What is wanted of a run.

    Attributes:
        run: its directory.
        root: folder of the images that are predicted; None for an export.
        out: the table, or the exported file.
        overkill: most good images, in percent, that may be taken for faulty on the validation images.
        export: format of the exported file; None: images are predicted.
        classes: names that the caller expects; None: whatever the run knows.
        class_folders: whether folders in ``root`` are classes where those of the run's data were.
        labels: a label table whose classes must be the run's; None: one that lies in ``root`` under its usual name.
        grouping: ``{"group_pattern": …}`` where another pattern than the run's was given, else {}.
        image: settings of ``data.image`` that were given.
        cache: the cache folder; None: that of the run.
        weights: where the backbone's weights lie now; None: where the run had them.
        accelerator: Lightning's; None: that of the run, or the CPU where it is not there.
        force: whether files that are there are replaced, whoever wrote them.
    """

    run: Path
    root: Path | None
    out: Path
    overkill: float = 5.0
    export: Literal["onnx", "torchscript"] | None = None
    classes: tuple[str, ...] | None = None
    class_folders: bool = True
    labels: Path | None = None
    grouping: Mapping[str, str | None] | None = None
    image: Mapping[str, Any] | None = None
    cache: str | None = None
    weights: str | None = None
    accelerator: str | None = None
    force: bool = False

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Request:
        """Return what the settings, text by key, ask for.

        Raises:
            UserError: one is missing, cannot be read, or goes with none of the others.
        """
        if "run" not in given:
            raise UserError("which run? Give its directory: run=outputs/STUDY/TASK/MODEL/STRATEGY/split0/seed0")
        export = given.get("export")
        if export is not None:
            chosen("export", export, FORMATS)
        _check_purpose(given, export)
        root = expanded(given["data.root"], "data.root") if export is None else None
        default = f"model{SUFFIX[export]}" if export else "predictions.csv"
        pattern = "data.source.group_pattern"
        return cls(
            run=expanded(given["run"], "run"),
            root=root,
            out=_checked_out(expanded(given.get("out", default), "out"), export),
            overkill=_percent(given.get("overkill", "5")),
            export=export,  # type: ignore[arg-type]
            classes=_names(given["classes"]) if "classes" in given else None,
            class_folders=_switch(given, "class_folders", "true"),
            labels=expanded(given["data.labels"], "data.labels") if "data.labels" in given else None,
            grouping={"group_pattern": None if given[pattern] == "null" else given[pattern]}
            if pattern in given
            else {},
            image={name: _value(given, f"data.image.{name}") for name in IMAGE if f"data.image.{name}" in given},
            cache=given.get("cache.dir"),
            weights=given.get("model.weights"),
            accelerator=given.get("trainer.accelerator"),
            force=_switch(given, "force", "false"),
        )


def _check_purpose(given: Mapping[str, str], export: str | None) -> None:
    if export is None and "data.root" not in given:
        raise UserError("of which images? Give their folder, data.root=FOLDER, or export=onnx or torchscript")
    if export is not None and "data.root" in given:
        raise UserError("export=… writes the model, and data.root=… predicts images: give one of them")


def _checked_out(out: Path, export: str | None) -> Path:
    suffix = SUFFIX[export] if export else ".csv"
    if out.suffix.lower() != suffix:
        raise UserError(f"out={out}: this file ends in {suffix}")
    return out


def _percent(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < 100:
        raise UserError(
            f"overkill is '{text}'; allowed: a number from 0 to below 100, in percent of the good images"
        )
    return value


def _names(text: str) -> tuple[str, ...]:
    try:
        value = yaml.load(text, Loader=yaml.BaseLoader)  # names stay text: no, 01
    except yaml.YAMLError:
        value = None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise UserError(f"classes is '{text}'; allowed: a list of names, as classes=[none,gap]")
    return tuple(value)


def _switch(given: Mapping[str, str], key: str, default: str) -> bool:
    value = given.get(key, default)
    if value not in ("true", "false"):
        raise UserError(f"{key} is '{value}'; allowed: true or false")
    return value == "true"


def _value(given: Mapping[str, str], key: str) -> Any:
    try:
        return yaml.safe_load(given[key])
    except yaml.YAMLError:
        raise UserError(f"the value of {key} cannot be read: {given[key]}") from None
