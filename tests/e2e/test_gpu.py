"""Whole runs on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from coilal.run_directory.files import read_status
from coilal.run_directory.store import read_cycles, read_queries
from coilal.runs.run import together
from coilal.runs.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.cuda]

Small = Callable[..., DictConfig]


def of(small: Small, *overrides: str) -> Settings:
    return Settings.of(small("trainer.accelerator=gpu", *overrides))


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_runs_side_by_side_ask_for_the_images_that_they_ask_for_alone(
    small: Small, precision: str, cuda: torch.device, tmp_path: Path
) -> None:
    def cells(study: str) -> list[Settings]:
        given = (f"trainer.precision={precision}", f"study={study}")
        return [of(small, *given, f"strategy={one}") for one in ("margin", "random")]

    for cell in cells("alone"):
        (result,) = together([cell])
        assert isinstance(result, float)
    assert all(isinstance(result, float) for result in together(cells("stacked")))
    for alone, stacked in zip(cells("alone"), cells("stacked"), strict=True):
        expected, found = (read_queries(cell.folder())["image"].tolist() for cell in (alone, stacked))
        assert found == expected


@pytest.mark.parametrize("trainable", ["head", "1"])
def test_a_run_in_mixed_precision_trains(small: Small, trainable: str, cuda: torch.device) -> None:
    cell = of(small, "trainer.precision=bf16-mixed", f"model.trainable={trainable}")
    (result,) = together([cell])
    assert isinstance(result, float)
    assert read_status(cell.folder())["state"] == "done"
    assert len(read_cycles(cell.folder())) == 3
