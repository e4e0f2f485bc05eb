"""Runs that several tests predict with; each is trained once."""

from __future__ import annotations

from pathlib import Path

import pytest

from coilal.runs.shared import forget
from tests.unit.prediction.trained import train, write_class_folders, write_coils


@pytest.fixture(scope="session")
def coils(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Return a folder of rendered coils; labels.csv lies beside it."""
    folder = tmp_path_factory.mktemp("coils") / "photos"
    write_coils(folder, cache)
    return folder


@pytest.fixture(scope="session")
def multiclass(coils: Path, cache: Path) -> Path:
    """Return a run that has learnt the classes of the coils, the head alone."""
    forget()
    return train(coils.parent / "outputs", cache, "data=coils", f"data.root={coils}", "study=multiclass")


@pytest.fixture(scope="session")
def multilabel(coils: Path, cache: Path) -> Path:
    """Return a run that has learnt the labels of the coils with the last block of the network."""
    forget()
    settings = ["data=coils", f"data.root={coils}", "study=multilabel", "task=multilabel", "model.trainable=1"]
    return train(coils.parent / "outputs", cache, *settings, "hparams=default")


@pytest.fixture(scope="session")
def of_folders(coils: Path, cache: Path) -> Path:
    """Return a run that has learnt from class folders, ``ok`` and ``faulty``, under initial random weights."""
    forget()
    folder = coils.parent / "classes"
    write_class_folders(folder, coils)
    settings = ["data=folder", f"data.root={folder}", "study=folders", r"data.source.group_pattern='^(Spule\d+)_'"]
    return train(coils.parent / "outputs", cache, *settings, "model.weights=none")
