"""How attempts end; whole jobs are tested in tests/e2e/test_sweep.py and tests/slurm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus
from submitit.core.utils import UncompletedJobError

from coilal.common.types import UserError
from coilal.run_directory.health import ensure_sound
from coilal.sweep import work
from coilal.sweep.book import read_outcome
from coilal.sweep.cells import Cell
from coilal.sweep.work import Assignment, Worker


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return a function that works through cells which end with the given values or exceptions."""
    from omegaconf import OmegaConf

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
