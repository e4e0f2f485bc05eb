"""Makes small tables, folders and images, and hands them over with settings typed as on the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig
from PIL import Image

from coilal.common.cli import conf_folder
from coilal.common.instantiate import instantiate
from coilal.common.typed import as_typed
from coilal.common.types import DataSource, Samples
from coilal.runs.rules import checked


def image(file: Path, seed: int = 0) -> Path:
    """Write a small image, another one for another seed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (4, 4), dtype=np.uint8)).save(file)
    return file


def images(folder: Path, names: Sequence[str] = ("a.png", "b.png")) -> Path:
    """Write images of these names, no two the same."""
    for seed, name in enumerate(names):
        image(folder / name, seed)
    return folder


@cache
def _composed(*overrides: str) -> DictConfig:
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=conf_folder()):
        return compose("train", overrides=as_typed([*overrides, "data.root=FOLDER"]))


def source(root: Path, labels: Path | None, *overrides: str) -> DataSource:
    """Return the data source that these arguments of a command give."""
    cfg = deepcopy(_composed(*overrides))
    cfg.data.root = str(root)
    if labels is not None:
        cfg.data.labels = str(labels)
    checked(cfg)
    found: DataSource = instantiate(cfg.data.source)
    return found


def told(samples: Samples) -> str:
    """Return what was read, as text: images, groups, classes, labels, and the notes of the log."""
    classes = [] if samples.classes is None else [samples.class_names[value] for value in samples.classes]
    labels = [] if samples.labels is None else samples.labels.tolist()
    return (
        f"images {list(samples.names)} groups {list(samples.groups)} classes {classes} labels {labels} "
        f"of {list(samples.label_names)}\n" + "\n".join(samples.notes)
    )


def table(
    content: str | bytes, *overrides: str, names: Sequence[str] = ("a.png", "b.png"), file: str = "labels.csv"
) -> Callable[[Path], str]:
    """Return what hands over a table, with images of these names beside it."""

    def try_it(folder: Path) -> str:
        images(folder, names)
        written = content if isinstance(content, bytes) else content.replace("ROOT", str(folder)).encode()
        (folder / file).write_bytes(written)
        return told(source(folder, folder / file, "data=coils", *overrides).read())

    return try_it


def folders(names: Sequence[str], *overrides: str) -> Callable[[Path], str]:
    """Return what hands over images in one folder a class."""

    def try_it(folder: Path) -> str:
        images(folder / "data", names)
        return told(source(folder / "data", None, "data=folder", *overrides).read())

    return try_it
