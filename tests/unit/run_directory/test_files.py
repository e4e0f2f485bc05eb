from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from coilal.run_directory.files import RunName, beside, run_folder, run_folders, study_of, write_atomically


@pytest.mark.parametrize("durable", [True, False])
def test_what_must_survive_a_power_cut_is_waited_for_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    waited: list[tuple[bool, bool]] = []
    path = tmp_path / "state.json"

    def note(descriptor: int) -> None:
        waited.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), path.exists()))

    monkeypatch.setattr(os, "fsync", note)
    write_atomically(path, "{}", durable)
    # the content before it has its name, then the name
    assert waited == ([(False, False), (True, True)] if durable else [])


def made(study: Path, *names: str) -> list[Path]:
    folders = [study / name for name in names]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "status.json").write_text("{}")
    return folders


def test_directories_of_runs_are_found_with_and_without_a_split_by_number(tmp_path: Path) -> None:
    names = (
        "t/m/s/split0/seed2",
        "t/m/s/split0/seed10",
        "t/m/s/split2/seed0",
        "t/m/s/split10/seed0",
        "t/n/s/seed0",
    )
    folders = made(tmp_path, *reversed(names))[::-1]
    made(tmp_path, "t/m/s/seedy", "t/m/s/report/split1", ".multirun/outcomes/t/m")
    found = run_folders(tmp_path)
    assert list(found) == folders
    assert [str(name) for name in found.values()] == list(names)
    assert {study_of(folder) for folder in folders} == {tmp_path}


def test_who_stands_beside_a_run(tmp_path: Path) -> None:
    own, other, earlier, *_ = made(
        tmp_path,
        "t/m/s/split0/seed0",
        "t/m/r/split0/seed1",
        "t/m/s/seed5",
        "t/m/s/split1/seed0",
        "t/n/s/split0/seed0",
    )
    assert beside(tmp_path, RunName("t", "m", "s", 0, 0)) == sorted([own, other, earlier])


def test_a_run_of_a_version_without_splits_stays_where_it_is(tmp_path: Path) -> None:
    name = RunName("t", "m", "s", 0, 5)
    assert run_folder(tmp_path, name) == tmp_path / "t/m/s/split0/seed5"
    (earlier,) = made(tmp_path, "t/m/s/seed5")
    assert run_folder(tmp_path, name) == earlier
    (current,) = made(tmp_path, "t/m/s/split0/seed5")
    assert run_folder(tmp_path, name) == current


def test_a_run_of_another_seed_of_the_split_is_that_split(tmp_path: Path) -> None:
    (earlier,) = made(tmp_path, "t/m/s/seed5")
    (earlier / "status.json").write_text('{"state": "done", "seeds": {"split": 3}}')
    zero, three = RunName("t", "m", "s", 0, 5), RunName("t", "m", "s", 3, 5)
    assert run_folder(tmp_path, zero) == tmp_path / "t/m/s/split0/seed5"
    assert run_folder(tmp_path, three) == earlier
    assert (beside(tmp_path, zero), beside(tmp_path, three)) == ([], [earlier])
    (earlier / "status.json").write_text('{"state": "done", "seeds": {"split": 3}, "data": {"given_split": "a"}}')
    assert run_folder(tmp_path, zero) == earlier, "the data gave the only one"
