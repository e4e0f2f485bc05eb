from __future__ import annotations

import multiprocessing
from pathlib import Path

from coilal.sweep.book import (
    Job,
    Launch,
    Outcome,
    exact_now,
    latest_jobs,
    locked,
    read_launches,
    read_outcome,
    write_launch,
    write_outcome,
)
from coilal.sweep.cells import Cell


def launch(study: Path, *names: str, job: str = "1", time: str | None = None) -> Launch:
    cells = tuple(Cell(str(study), name, ("seed=0",), "group") for name in names)
    time = time or exact_now()
    return Launch(time, "python -m coilal.train -m", "/home", cells, (Job("slurm", job, "here", time, names),))


def test_launches_are_read_as_they_were_written_and_add_up(tmp_path: Path) -> None:
    first, second = launch(tmp_path, "a", "b"), launch(tmp_path, "b", job="2")
    write_launch(str(tmp_path), second)
    write_launch(str(tmp_path), first)
    assert read_launches(tmp_path) == [first, second]
    jobs = latest_jobs(read_launches(tmp_path))
    assert {name: job.id for name, job in jobs.items()} == {"a": "1", "b": "2"}


def test_a_launch_is_recorded_again_in_the_same_file(tmp_path: Path) -> None:
    begun = launch(tmp_path, "a")
    file = write_launch(str(tmp_path), begun)
    assert write_launch(str(tmp_path), begun, file) == file
    assert len(read_launches(tmp_path)) == 1


def test_outcomes(tmp_path: Path) -> None:
    cell = Cell(str(tmp_path), "multiclass/tiny/margin/seed0", (), "")
    assert read_outcome(cell) is None
    outcome = Outcome(exact_now(), error="ValueError: Ärger", tail="a\nb")
    write_outcome(cell, outcome)
    assert read_outcome(cell) == outcome


def note(study: str, file: str) -> None:
    with locked([study]):
        lines = Path(file).read_text()
        Path(file).write_text(f"{lines}x")


def test_launches_into_one_study_take_turns(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.write_text("")
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=note, args=(str(tmp_path), str(shared))) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert shared.read_text() == "x" * 8
