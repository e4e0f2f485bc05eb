from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from omegaconf import DictConfig

from coilal.runs.settings import Settings
from coilal.sweep.cells import Cell
from coilal.sweep.together import MOST_ON_A_CPU, MOST_ON_A_GPU, most_of_a_stack, tell


@pytest.mark.parametrize(
    ("accelerators", "gpu", "most"),
    [
        (["auto"], False, MOST_ON_A_CPU),
        (["auto"], True, MOST_ON_A_GPU),
        (["cpu"], True, MOST_ON_A_CPU),
        (["gpu"], False, MOST_ON_A_GPU),  # SLURM's jobs may have one that nobody told the launcher of
        (["gpu", "cpu"], True, MOST_ON_A_CPU),
    ],
)
def test_a_gpu_holds_larger_stacks(
    composed: Callable[..., DictConfig], accelerators: list[str], gpu: bool, most: int
) -> None:
    todo = [Settings.of(composed(f"trainer.accelerator={name}")) for name in accelerators]
    assert most_of_a_stack("auto", todo, gpu) == most
    assert most_of_a_stack(7, todo, gpu) == 7


def test_each_reason_to_be_trained_alone_is_told_once(
    composed: Callable[..., DictConfig], caplog: pytest.LogCaptureFixture
) -> None:
    given = ["", "", "trainer.gradient_clip_val=1", "trainer.gradient_clip_val=1", "model.trainable=1"]
    todo = {
        Cell("s", str(number), (), "", stack=None if override else "a"): Settings.of(
            composed(*filter(None, [override]))
        )
        for number, override in enumerate(given)
    }
    caplog.set_level(logging.INFO)
    tell([list(todo)], todo, most=64)
    assert [record.getMessage() for record in caplog.records] == [
        "2 of 5 cells side by side, up to 2 at a time (hydra.launcher.together=1: one by one)",
        "2 cells are trained one by one: trainer.gradient_clip_val=1 may act on the training steps of a run",
        "1 cell is trained alone: model.trainable=1, and only heads are trained side by side",
    ]
    caplog.clear()
    tell([list(todo)], todo, most=1)
    tell([[cell] for cell in list(todo)[:1]], dict(list(todo.items())[:1]), most=64)
    assert not caplog.records
