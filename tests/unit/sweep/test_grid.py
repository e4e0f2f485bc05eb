from __future__ import annotations

import os
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from coilal.run_directory.files import now
from coilal.sweep import grid as grids
from coilal.sweep.book import Job, Outcome, exact_now, read_launches, write_outcome
from coilal.sweep.cells import Cell
from coilal.sweep.compose import Grid
from coilal.sweep.states import states
from tests.unit.sweep.test_states import run_directory


def cells(study: Path, number: int) -> tuple[Cell, ...]:
    return tuple(
        Cell(str(study), f"multiclass/tiny/margin/seed{seed}", (f"seed={seed}",), "") for seed in range(number)
    )


def grid(members: tuple[Cell, ...], refused: int | None = None, forced: int | None = None) -> Grid:
    return Grid(
        members,
        configs={},
        settings={},
        refused={} if refused is None else {members[refused]: "holds a run with other settings"},
        forced=frozenset(() if forced is None else (members[forced],)),
        done=frozenset(),
    )


def test_unfinished_and_forced_cells_are_chosen_if_nobody_works_on_them(tmp_path: Path) -> None:
    done, forced, running, refused, missing = members = cells(tmp_path, 5)
    for cell in (done, forced, refused):
        run_directory(tmp_path, cell.name, state="done", end=now())
    run_directory(tmp_path, running.name, state="running", slurm_job=None)
    assert grids.choose(grid(members, refused=3, forced=1)) == [forced, missing]
    assert (done.folder / "status.json").exists()
    assert not (forced.folder / "status.json").exists(), "what is forced begins anew, once"


def test_a_launch_is_recorded_in_every_study_it_has_cells_of(tmp_path: Path) -> None:
    one, two = cells(tmp_path / "one", 2), cells(tmp_path / "two", 1)
    record = grids.Record([*one, *two])
    assert read_launches(tmp_path / "one")[0].jobs == (), "the grid is known before the jobs are"
    job = Job("slurm", "7_0", "here", exact_now(), ())
    record.add_jobs([(job, [one[1], *two])])
    (first,), (second,) = read_launches(tmp_path / "one"), read_launches(tmp_path / "two")
    assert (first.cells, second.cells) == (one, two)
    assert first.jobs[0].cells == (one[1].name,)
    assert second.jobs[0].cells == (two[0].name,)


def test_waiting_ends_when_nobody_works_and_lost_cells_have_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files of a job that has ended appear late; the clock is the test's own."""
    (cell,) = members = cells(tmp_path, 1)
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds
        if clock[0] > 5 and not cell.folder.exists():
            run_directory(tmp_path, cell.name, state="done", end=now())

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    assert grids.wait(members, settle_s=0)[cell].state == "missing"
    assert clock[0] == 0
    assert grids.wait(members, settle_s=15)[cell].state == "done"
    assert 5 < clock[0] < 15


def test_the_failure_names_cells_and_reasons_and_the_exit_code_says_who_can_mend_it(tmp_path: Path) -> None:
    done, wrong, refused, crashed = members = cells(tmp_path, 4)
    for cell in (done, refused):
        run_directory(tmp_path, cell.name, state="done", end=now())
    assert grids.failure(grid(members[:1]), states(members), lambda _: "KILLED") is None
    write_outcome(wrong, Outcome(exact_now(), error="margin does not fit"))
    few = grid(members[:3], refused=2)
    mendable = grids.failure(few, states(few.cells), lambda _: "KILLED")
    assert mendable is not None
    assert mendable.code == 2
    assert "2 of 3 cells failed" in str(mendable)
    assert "seed1: margin does not fit" in str(mendable)
    assert "seed2: holds a run with other settings" in str(mendable)
    write_outcome(crashed, Outcome(exact_now(), error="ValueError: x", tail="  line 3\nValueError: x"))
    failure = grids.failure(grid(members), states(members), lambda _: "KILLED")
    assert failure is not None
    assert failure.code == 1
    assert "    |   line 3\n    | ValueError: x" in str(failure)


def test_one_reason_is_told_once_though_each_refusal_begins_with_its_folder(tmp_path: Path) -> None:
    members = cells(tmp_path, 3)
    refused = {cell: f"{cell.folder} holds a run with other settings" for cell in members[:2]}
    found = grids.failure(replace(grid(members), refused=refused), states(members), lambda _: None)
    assert found is not None
    assert str(found).count("holds a run with other settings") == 1
    assert "2 cells (multiclass/tiny/margin/seed0, multiclass/tiny/margin/seed1): holds a run" in str(found)


def test_what_is_refused_is_not_counted_as_done(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, other = members = cells(tmp_path, 2)
    for cell in members:
        run_directory(tmp_path, cell.name, state="done", end=now())
    with caplog.at_level("INFO"):
        grids.wait(members, settle_s=0, refused=(other,))
    assert caplog.messages == ["2 cells: 1 done, 1 refused"]


def test_a_lost_cell_shows_the_end_of_its_jobs_log(tmp_path: Path) -> None:
    (cell,) = members = cells(tmp_path, 1)
    log = tmp_path / "log.err"
    log.write_text("".join(f"line {number}\n" for number in range(20)))
    record = grids.Record(members)
    gone = Job("process", str(2**22 + 1), socket.gethostname(), exact_now(), (), str(log))
    record.add_jobs([(gone, members)])
    run_directory(tmp_path, cell.name, state="running", pid=2**22 + 1, slurm_job=None)
    failure = grids.failure(grid(members), states(members), lambda _: "KILLED")
    assert failure is not None
    assert failure.code == 1
    assert "stale" in str(failure)
    assert "(KILLED)" in str(failure)
    assert "| line 19" in str(failure)
    assert "| line 14" not in str(failure)
    assert os.getpid() != 2**22 + 1


def test_what_a_lost_job_told_itself_is_the_reason(tmp_path: Path) -> None:
    members = cells(tmp_path, 1)
    log = tmp_path / "log"
    log.write_text("line\nerror: seed0.json: the disk is full; free some space.\n", encoding="utf-8")
    record = grids.Record(members)
    record.add_jobs([(Job("process", str(2**22 + 1), socket.gethostname(), exact_now(), (), str(log)), members)])
    failure = grids.failure(grid(members), states(members), lambda _: "ended with exit code 2")
    assert failure is not None
    assert failure.code == 2, "the user can mend it"
    assert "seed0: missing: " in str(failure)
    assert "(ended with exit code 2): seed0.json: the disk is full" in str(failure)


@pytest.mark.parametrize(
    ("tail", "told", "not_told"), [("", "put right", "The same"), ("line", "The same", "right")]
)
def test_the_advice_fits_the_fault(tmp_path: Path, tail: str, told: str, not_told: str) -> None:
    members = cells(tmp_path, 1)
    write_outcome(members[0], Outcome(exact_now(), error="split=3, and type has 3 values", tail=tail))
    advice = str(grids.failure(grid(members), states(members), lambda _: None)).splitlines()[-1]
    assert told in advice
    assert not_told not in advice
