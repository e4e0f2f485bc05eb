"""What a run directory holds of a trained model: settings, classes, weights; refused where it is not whole."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from omegaconf import OmegaConf
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from coilal.common.instantiate import instantiate
from coilal.common.types import ImageFormat, Kind, UserError
from coilal.common.unreadable import UNREADABLE
from coilal.data.spelling import as_tuple
from coilal.fit.tasks.task import Task
from coilal.prediction.request import Request
from coilal.run_directory.files import read_status, study_of
from coilal.run_directory.health import DamagedError, read_config
from coilal.run_directory.identity import ADDED
from coilal.runs.settings import Settings

WEIGHTS = "checkpoints/model.safetensors"
PREDICTIONS = "predictions.npz"
WAY_OUT = "bring it back from a copy, or do the run again with force=true"


class Located(Protocol):
    """Where a run lies, and what of it lies elsewhere now."""

    @property
    def run(self) -> Path:
        """Return its directory."""
        ...

    @property
    def cache(self) -> str | None:
        """Return the cache folder; None: that of the run."""
        ...

    @property
    def weights(self) -> str | None:
        """Return where the backbone's weights lie; None: where the run had them."""
        ...


@dataclass(frozen=True)
class TrainedRun:
    """A run with a trained model.

    Attributes:
        folder: the run directory.
        settings: those of the run; where it computes and caches as asked for now.
        status: its status.json.
        names: classes or labels, by output of the model (C).
        tensors: trained weights and what standardises the features; see ``fit.module.CoilModule.weights_of``.
        tested: names of the test images (n).
        probabilities: float32 (n, C), what the run gave them.
    """

    folder: Path
    settings: Settings
    status: Mapping[str, Any]
    names: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    tested: tuple[str, ...]
    probabilities: np.ndarray[Any, np.dtype[np.float32]]

    @classmethod
    def of(cls, request: Located) -> TrainedRun:
        """Return the run that is asked for.

        Raises:
            UserError: there is none, it has no weights (yet), or it is damaged.
        """
        folder = request.run
        _ensure_run(folder)
        status = read_status(folder)
        if not status:
            raise DamagedError(folder / "status.json", "missing, beside config.yaml", WAY_OUT)
        settings = Settings.of(OmegaConf.create(_config(folder, request)))
        tensors = _tensors(folder, status)
        names, tested, probabilities = _predictions(folder)
        last = [tensor for name, tensor in tensors.items() if name.startswith("head.") and name.endswith(".bias")]
        if not last or len(last[-1]) != len(names) or "feature_mean" not in tensors:
            raise DamagedError(folder / WEIGHTS, f"no model of {len(names)} classes", WAY_OUT)
        return cls(folder, settings, status, names, tensors, tested, probabilities)

    @cached_property
    def task(self) -> Task:
        """What the run has learnt."""
        task: Task = instantiate(self.settings.task.module)
        return task

    @property
    def kind(self) -> Kind:
        """Return whether images have one class, or labels."""
        return self.task.kind

    @property
    def good(self) -> int | None:
        """Return the class that means fault-free, by number; None where none is known, and for labels."""
        if self.kind != "multiclass":
            return None
        known = [*as_tuple(self.settings.data.source.get("good_class")), "none"]  # none: of combinations of labels
        return next((self.names.index(name) for name in known if name in self.names), None)

    def part(self, name: str) -> dict[str, Tensor]:
        """Return the weights of a part, ``head`` or ``trained`` (of the backbone), by its own names for them."""
        prefix = f"{name}."
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}

    @property
    def image(self) -> ImageFormat:
        """Return how images are stored; values are scaled as those of the run were."""
        image, limits = self.settings.data.image, self.status.get("data", {}).get("range")
        return image if limits is None else replace(image, range=(float(limits[0]), float(limits[1])))

    @property
    def records(self) -> Path:
        """Return the folder of the data records of the run's study, wherever this command is typed."""
        there, folder = self.settings.records, self.folder.resolve()
        return there if there.is_dir() or len(folder.parents) < 5 else study_of(folder) / ".data"

    def ensure_fits(self, request: Request) -> None:
        """Refuse images of another format, and other classes, than the model has learnt.

        Raises:
            UserError: says what differs.
        """
        given = {"range": "auto", "page": None, **self.settings.data.given["image"]}
        differing = [
            f"data.image.{name}={value} (the run: {given[name]})"
            for name, value in (request.image or {}).items()
            if value != given[name]
        ]
        if differing:
            raise UserError(
                f"images must be stored as the model of {self.folder} has learnt them, and these settings differ: "
                f"{', '.join(differing)}. Leave them out: images of any size are brought to that of the run."
            )
        if request.classes is not None and {*request.classes} != {*self.names}:
            raise UserError(self.other_classes("classes", request.classes))

    def other_classes(self, what: str, found: tuple[str, ...]) -> str:
        """Return that classes are not those of the run, in words."""
        return (
            f"{what}: {', '.join(found)} are not the classes of {self.folder}, which knows {', '.join(self.names)}"
        )


def _ensure_run(folder: Path) -> None:
    if not folder.is_dir():
        raise UserError(f"run={folder}: there is no such folder")
    if (folder / "config.yaml").exists():
        return
    inside = sorted(path.parent for path in folder.glob("**/config.yaml"))
    found = f" It holds {len(inside)} of them, for example run={inside[0]}" if inside else ""
    raise UserError(f"run={folder}: this is no run directory, which holds config.yaml.{found}")


def _config(folder: Path, request: Located) -> dict[str, Any]:
    """Return the settings of the run, with what earlier versions did not have, and with what is asked for now."""
    config: dict[str, Any] = deepcopy(read_config(folder / "config.yaml"))
    for key in ("tf32", "strategy.per_group", "strategy.groups"):
        node: Any = config
        *above, last = key.split(".")
        for name in above:
            node = node[name]
        node.setdefault(last, ADDED[key])
    if request.cache is not None:
        config["cache"]["dir"] = request.cache
    if request.weights is not None:
        config["model"]["weights"] = request.weights
    return config


def _tensors(folder: Path, status: Mapping[str, Any]) -> dict[str, Tensor]:
    path = folder / WEIGHTS
    if not path.exists():
        state = status.get("state")
        when = {
            "running": "it is running (or was cut off), and writes them when it ends",
            "failed": f"it failed ({status.get('error')}), and writes them when it ends",
        }
        why = when.get(str(state), f"{path} is gone; {WAY_OUT}")
        raise UserError(f"{folder} has no trained weights: {why}")
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, ValueError) as error:
        raise DamagedError(path, str(error).partition("\n")[0], WAY_OUT) from None
    return tensors


def _predictions(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...], np.ndarray[Any, np.dtype[np.float32]]]:
    path = folder / PREDICTIONS
    if not path.exists():
        raise DamagedError(path, "missing: it names the classes", WAY_OUT)
    try:
        with np.load(path) as stored:
            names, images = (tuple(map(str, stored[key])) for key in ("names", "images"))
            return names, images, np.asarray(stored["probabilities"], dtype=np.float32)
    except UNREADABLE as error:
        raise DamagedError(path, f"{type(error).__name__}: {error}", WAY_OUT) from None
