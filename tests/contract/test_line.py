"""Every conf/task yaml has the figures that an inspection line decides by."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from coilal.common.cli import conf_folder
from coilal.common.instantiate import instantiate
from coilal.common.types import Samples, Split
from coilal.inspection.line import Inspection
from coilal.runs.plan import Plan
from coilal.runs.settings import OracleSettings

TASKS = sorted(path.stem for path in (Path(conf_folder()) / "task").glob("*.yaml"))
FAULTS = ("gap", "crossover")


def prepared(task: Any) -> Any:
    """Return what a plan looks at: 160 images of 40 coils, half of them without a fault."""
    faulty = (np.arange(160) // 4 % 2 == 1)[:, None]
    labels = (faulty & (np.random.default_rng(0).random((160, 2)) < 0.5)).astype(np.uint8)
    names = tuple(f"{number}.jpg" for number in range(160))
    samples = Samples(names, tuple(f"coil{number // 4}" for number in range(160)), labels, FAULTS)
    targets = task.targets(samples)
    parts = np.split(np.arange(160), [40, 80])
    split = Split(*(ids[targets.used[ids]] for ids in parts))
    return SimpleNamespace(samples=samples, targets=targets, split=split)


@pytest.mark.parametrize("name", TASKS)
def test_each_task_has_the_figures_of_a_line(name: str) -> None:
    with initialize_config_dir(conf_folder()):
        task = instantiate(compose(overrides=[f"+task={name}"]).task.module)
    data = prepared(task)
    plan = Plan(task, None, None, 0, 0, None, None, True, OracleSettings(), Inspection())  # type: ignore[arg-type]
    figures = plan.line(data)
    assert figures is not None
    shape = len(data.targets.names)
    generator = torch.Generator().manual_seed(0)
    logits = {part: torch.randn(len(ids), shape, generator=generator) for part, ids in plan.evaluated(data).items()}
    row = figures(logits)
    for column in (
        *(f"test/{level}/{rate}_rate" for level in ("point", "group") for rate in ("escape", "overkill")),
        *("test/calibration/ece", "test/calibration/ece_scaled"),
    ):
        assert 0 <= row[column] <= 1, column
    assert all(isinstance(value, float) and math.isfinite(value) for value in row.values()), (
        "JSON takes floats alone"
    )
    assert row["val/point/rejected"] <= 0.05 * row["val/point/good"]


def test_without_a_scored_validation_split_there_are_none() -> None:
    with initialize_config_dir(conf_folder()):
        task = instantiate(compose(overrides=["+task=multilabel"]).task.module)
    plan = Plan(task, None, None, 0, 0, None, None, False, OracleSettings(), Inspection())  # type: ignore[arg-type]
    assert plan.line(prepared(task)) is None
