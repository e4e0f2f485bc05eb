from __future__ import annotations

from collections.abc import Callable

import pytest
from omegaconf import DictConfig

from coilal.runs.settings import Settings
from coilal.sweep import count
from coilal.sweep.count import Count, automatic

Cells = Callable[..., list[Settings]]


@pytest.fixture
def cells(composed: Callable[..., DictConfig]) -> Cells:
    """Return a function: number, overrides → settings of so many equal cells."""
    return lambda number, *overrides: [Settings.of(composed(*overrides))] * number


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """A machine of eight cores, 100 GB and no GPU, to be changed."""
    has: dict[str, object] = {"cores": 8, "free_host_memory": 100e9, "gpus": []}
    for name in has:
        monkeypatch.setattr(count, name, lambda name=name: has[name])
    return has


def test_heads_take_a_core_each(cells: Cells) -> None:
    assert automatic(cells(20)) == Count(8, "one a core")
    assert automatic(cells(3)) == Count(3, "one a cell")
    assert automatic([]) == Count(0, "one a cell")


def test_memory_and_what_takes_all_cores_are_the_limit(cells: Cells, machine: dict[str, object]) -> None:
    assert automatic([*cells(5), *cells(1, "model.trainable=2")]).processes == 1
    machine["free_host_memory"] = 20e9
    assert automatic(cells(20)) == Count(3, "one for 6 GB of free memory")
    assert automatic(cells(20, "cache.memory_gb=0.5")) == Count(8, "one a core"), "features held elsewhere"
    machine["free_host_memory"] = 1e9
    assert automatic(cells(20)).processes == 1


def test_gpus_are_shared_out_whatever_is_trained_unless_the_settings_name_them(
    cells: Cells, machine: dict[str, object]
) -> None:
    machine["gpus"] = ["0", "1"]
    assert automatic(cells(20, "model.trainable=all")) == Count(2, "one a GPU")
    assert automatic(cells(20, "trainer.accelerator=cpu")) == Count(8, "one a core")
    assert automatic(cells(20, "trainer.devices=[1]")).processes == 1
    assert automatic(cells(1)).processes == 1


def test_a_gpu_that_is_asked_for_and_not_found_is_not_shared(cells: Cells) -> None:
    assert automatic(cells(20, "trainer.accelerator=gpu")).processes == 1


def test_the_line_says_how_to_have_one_process() -> None:
    assert (
        str(Count(2, "one a core"))
        == "2 processes (one a core); hydra.launcher.processes=1 works in this one alone"
    )
    assert str(Count(2, "as asked for")) == "2 processes (as asked for)"
    assert str(Count(1, "one a core")) == "one process, this one (one a core)"
