"""What Lightning's own loggers have on the disk when a kill may come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from omegaconf import DictConfig

import coilal.fit.cycles
from coilal.runs.run import run
from tests.run_folders import run_folder


def csv_steps(folder: Path) -> list[int]:
    (path,) = folder.glob("lightning/version_*/metrics.csv")
    table = pd.read_csv(path)
    return [int(value) for value in table["labelled"].dropna()]


def event_steps(folder: Path) -> list[int]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    tags = events.Tags()["scalars"]
    assert min(tags) == "curve/macro_f1", "what TensorBoard shows first"
    assert {tag.partition("/")[0] for tag in tags} <= {"curve", "run", "test", "val"}
    assert [event.step for event in events.Scalars("curve/macro_f1")] == [
        int(event.value) for event in events.Scalars("run/labelled")
    ]
    return [event.step for event in events.Scalars("curve/macro_f1")]


@pytest.mark.slow
@pytest.mark.parametrize(("logger", "steps"), [("lightning_csv", csv_steps), ("tensorboard", event_steps)])
def test_a_finished_cycle_is_written_before_the_next_begins(
    small: Callable[..., DictConfig],
    monkeypatch: pytest.MonkeyPatch,
    logger: str,
    steps: Callable[[Path], list[int]],
) -> None:
    cfg = small(f"logger={logger}", "trainer.max_epochs=1")
    begin, seen = coilal.fit.cycles.ActiveLearning.begin, {}

    def watched(learning: coilal.fit.cycles.ActiveLearning) -> Any:
        if learning.cycle:
            seen[learning.cycle] = steps(run_folder(cfg))
        return begin(learning)

    monkeypatch.setattr(coilal.fit.cycles.ActiveLearning, "begin", watched)
    run(cfg)
    assert seen == {1: [16], 2: [16, 32]}
    assert steps(run_folder(cfg)) == [16, 32, 48]
