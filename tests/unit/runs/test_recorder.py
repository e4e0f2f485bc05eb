"""What is kept of each cycle where people label."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from coilal.active.session import Session
from coilal.common.types import Kind
from coilal.evidence.audit import read_predictions
from coilal.run_directory.health import AUDIT_PREDICTIONS
from coilal.runs.recorder import Recorder

NAMES = ("a1.png", "a2.png", "b1.png", "b2.png")


def recorder(folder: Path, kind: Kind, values: Any, by_people: bool = True) -> Recorder:
    prepared: Any = SimpleNamespace(
        samples=SimpleNamespace(names=NAMES, groups=("a", "a", "b", "b")),
        targets=SimpleNamespace(values=np.array(values), names=("dent", "gap")),
        split=SimpleNamespace(test=np.array([1, 3])),
    )
    return Recorder(folder, prepared, kind, Session(NAMES, np.array([0, 2])), by_people)


@pytest.mark.parametrize(
    ("kind", "values", "logits", "told", "predicted"),
    [
        ("multiclass", [0, 1, -1, 0], [[0.0, 2.0], [1.0, 3.0]], ["gap", "dent"], ["gap", "gap"]),
        (
            "multilabel",
            [[0, 0], [1, 1], [-1, -1], [0, 0]],
            [[1.0, -1.0], [-1, -1]],
            [["dent", "gap"], []],
            [["dent"], []],
        ),
    ],
)
def test_predictions_of_every_cycle_are_kept_by_image(
    tmp_path: Path, kind: Kind, values: Any, logits: Any, told: Any, predicted: Any
) -> None:
    for cycle in range(2):  # the second one after a restart
        rows = {"test": torch.tensor(logits)}
        recorder(tmp_path, kind, values).record({"cycle": cycle, "labelled": 1}, rows, {}, last=False)
    expected = {"images": ["a2.png", "b2.png"], "groups": ["a", "b"], "told": told, "predicted": predicted}
    assert read_predictions(tmp_path / AUDIT_PREDICTIONS) == {
        cycle: {"cycle": cycle, **expected} for cycle in range(2)
    }


def test_a_study_keeps_those_of_its_last_cycle_alone(tmp_path: Path) -> None:
    study = recorder(tmp_path, "multiclass", [0, 1, 1, 0], by_people=False)
    study.record({"cycle": 0, "labelled": 1}, {"test": torch.zeros(2, 2)}, {}, last=False)
    assert not (tmp_path / AUDIT_PREDICTIONS).exists()
    assert (tmp_path / "predictions.npz").exists()
