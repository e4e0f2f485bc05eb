"""How attempts end; whole jobs are tested in tests/e2e/test_sweep.py and tests/slurm."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf
from submitit.core.utils import UncompletedJobError

from coilal.common.types import UserError
from coilal.run_directory.health import ensure_sound
from coilal.runs.settings import Settings
from coilal.sweep import work
from coilal.sweep.book import read_outcome
from coilal.sweep.cells import Cell
from coilal.sweep.work import Assignment, Worker


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return a function that works through cells which end with the given values or exceptions."""
    seen: list[bool] = []

    def go(*endings: Any) -> list[Cell]:
        cells = [Cell(str(tmp_path), f"t/m/s/seed{seed}", (), "") for seed in range(len(endings))]
        config = OmegaConf.create({"hydra": {"job": {"num": 0, "id": ""}}, "force": True})
        go.waiting[:] = endings

        def run_job(task: Any, config: Any, *_: Any) -> JobReturn:
            seen.append(config.force)
            OmegaConf.set_readonly(config, True)  # as Hydra's does
            try:
                ending = go.waiting.pop(0)
                if isinstance(ending, BaseException):
                    raise ending
            except Exception as error:  # as Hydra's does
                return JobReturn(status=JobStatus.FAILED, _return_value=error)
            return JobReturn(status=JobStatus.COMPLETED, _return_value=ending)

        monkeypatch.setattr(work, "run_job", run_job)
        todo = [Assignment(number, cell, config) for number, cell in enumerate(cells)]
        go.worker = Worker(None, lambda _: None, todo, "launch")  # type: ignore[arg-type]  # run_job above needs no context
        go.worker.work()
        return cells

    go.waiting, go.forced = [], seen
    return go


def test_a_cell_that_fails_does_not_stop_those_behind_it(ends: Any) -> None:
    crashed, wrong, done = map(read_outcome, ends(ZeroDivisionError("1/0"), UserError("mend it"), 0.5))
    assert crashed.error == "ZeroDivisionError: 1/0"
    assert crashed.tail.splitlines()[-1] == "ZeroDivisionError: 1/0"
    assert "test_work.py" in crashed.tail, "where it happened"
    assert (wrong.error, wrong.tail) == ("mend it", "")
    assert (done.error, done.tail) == (None, "")


def test_an_error_of_the_user_is_found_behind_hydras_own(ends: Any) -> None:
    outer = RuntimeError("Error in call to target")
    outer.__cause__ = UserError("mend it")
    (outcome,) = map(read_outcome, ends(outer))
    assert outcome.error == "mend it"


def test_a_requeued_job_begins_with_what_it_was_given(ends: Any, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        ends(0.5, SystemExit(-1))
    again = ends.worker.checkpoint().function
    told: list[int] = []
    ends.waiting[:] = [0.5, 0.5]
    again.work(told.append)
    assert told == [0, 1]


@pytest.mark.parametrize(
    "end", [UncompletedJobError("timed-out too many times"), SystemExit(-1), KeyboardInterrupt()]
)
def test_the_end_of_the_job_is_no_failure_of_the_cell(ends: Any, end: BaseException, tmp_path: Path) -> None:
    with pytest.raises(type(end)):
        ends(end, 0.5)
    assert not (tmp_path / ".multirun").exists()


def test_force_lasts_until_a_run_has_begun(ends: Any, tmp_path: Path) -> None:
    fresh, beside, begun = (tmp_path / f"t/m/s/seed{seed}" for seed in range(3))
    for folder, name in ((beside, "thesis.docx"), (begun, "config.yaml")):
        folder.mkdir(parents=True)
        (folder / name).write_text("kept")
    ends(0.5, 0.5, 0.5)
    assert ends.forced == [True, True, False]
    for folder, force in zip((fresh, beside), ends.forced, strict=False):
        ensure_sound(folder, force)


@pytest.fixture
def side_by_side(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return a function: what reading the settings of each cell gives, how the runs end → cells, after the work."""

    def go(read: Sequence[Any], *endings: Any, together: int = 64) -> list[Cell]:
        cells = [Cell(str(tmp_path), f"t/m/s/seed{seed}", (), "", stack="s") for seed in range(len(read))]
        config = OmegaConf.create(
            {"hydra": {"job": {"num": 0, "id": "", "env_set": {"MARK": "set"}}}, "force": False}
        )
        waiting, results = list(read), list(endings)

        def run_job(task: Any, *_: Any) -> JobReturn:
            go.tasks.append(task)
            return JobReturn(status=JobStatus.UNKNOWN, _return_value=waiting.pop(0))

        def do_together(runs: Sequence[Any]) -> list[Any]:
            go.stacks.append(len(runs))
            assert os.environ["MARK"] == "set"
            if isinstance(results[0], BaseException) and not isinstance(results[0], Exception):
                raise results[0]
            return [results.pop(0) for _ in runs]

        monkeypatch.setattr(work, "run_job", run_job)
        monkeypatch.setattr("coilal.runs.run.together", do_together)
        todo = [Assignment(number, cell, config) for number, cell in enumerate(cells)]
        Worker(None, go.alone, todo, "launch", together).work(go.told.append)  # type: ignore[arg-type]
        return cells

    go.tasks, go.stacks, go.told, go.alone = [], [], [], lambda _: None
    return go


def readable() -> Any:
    return Mock(spec=Settings)


def test_cells_of_a_stack_end_each_in_its_own_way(side_by_side: Any) -> None:
    read = [readable(), UserError("its settings"), readable(), readable()]
    cells = side_by_side(read, 0.5, UserError("its data"), ZeroDivisionError("1/0"))
    errors = [read_outcome(cell).error for cell in cells]  # type: ignore[union-attr]
    assert errors == [None, "its settings", "its data", "ZeroDivisionError: 1/0"]
    assert side_by_side.stacks == [3], "what can be read is done side by side"
    assert side_by_side.told == [0, 1, 2, 3]
    assert "MARK" not in os.environ


def test_a_cell_that_is_left_over_is_done_as_any_other_alone(side_by_side: Any) -> None:
    side_by_side([0.5, readable(), readable()], 0.5, 0.5, together=2)
    assert side_by_side.tasks == [side_by_side.alone, Settings.of, Settings.of]
    assert side_by_side.stacks == [2]
    assert side_by_side.told == [0, 1, 2]


@pytest.mark.parametrize(
    "end", [UncompletedJobError("timed-out too many times"), SystemExit(-1), KeyboardInterrupt()]
)
def test_the_end_of_the_job_is_no_failure_of_a_stack(side_by_side: Any, end: BaseException, tmp_path: Path) -> None:
    with pytest.raises(type(end)):
        side_by_side([readable(), readable()], end, 0.5)
    assert not side_by_side.told
    assert not (tmp_path / ".multirun").exists()
