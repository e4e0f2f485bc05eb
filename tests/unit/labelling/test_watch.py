"""Whether a folder of images is another than it was when it was read."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from coilal.common.types import Samples
from coilal.data.files import stamps
from coilal.labelling import watch
from coilal.labelling.images import Images
from coilal.labelling.watch import FolderWatch
from tests.unit.labelling import sessions

NAMES = ("a.png", "deep/a/b/c.png", "deep/a/b/d.png")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(watch, "LOOK_AT_FOLDER_S", -1.0)
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"before")
    return tmp_path


def read(folder: Path) -> Images:
    found, _ = stamps(folder, NAMES)
    return replace(sessions.images(), samples=Samples(NAMES, NAMES), folder=folder, stamps=found)


def watching(folder: Path, asked: Sequence[int] = (0, 1)) -> FolderWatch:
    later = time.time_ns() + 10**12  # whatever the clock of the disk says
    return FolderWatch(read(folder), later, lambda: np.array(asked, dtype=np.int64))


def new_folder_beside(folder: Path) -> None:
    (folder / "deep/c").mkdir()


def new_file_in_the_middle(folder: Path) -> None:
    (folder / "deep/a/x.png").touch()


def removed(folder: Path) -> None:
    (folder / NAMES[2]).unlink()


def overwritten(folder: Path) -> None:
    (folder / NAMES[1]).write_bytes(b"longer than before")


def touched(folder: Path) -> None:
    os.utime(folder / NAMES[0], ns=(1, 1))


@pytest.mark.parametrize("change", [new_folder_beside, new_file_in_the_middle, removed, overwritten, touched])
def test_it_is_seen(folder: Path, change: Callable[[Path], None]) -> None:
    there = watching(folder)
    assert not there.has_changed()
    change(folder)
    assert there.has_changed()


def test_files_that_nobody_was_asked_for_are_not_looked_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = watching(folder, [0])
    looked_at: list[str] = []
    monkeypatch.setattr(watch, "stamps", lambda place, names: (looked_at.extend(names), stamps(place, names))[1])
    overwritten(folder)
    assert not there.has_changed()
    assert looked_at == [NAMES[0]]


def test_a_folder_below_that_was_empty_is_looked_at(folder: Path) -> None:
    (folder / "2026/12").mkdir(parents=True)
    there = watching(folder)
    (folder / "2026/12/x.png").touch()
    assert there.has_changed()


def test_what_could_not_be_read_is_read_again_when_it_changes_or_after_a_while(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = watching(folder)
    overwritten(folder)
    there.has_failed()
    assert not there.has_changed()
    touched(folder)
    assert there.has_changed()
    there.has_failed()
    assert not there.has_changed()
    monkeypatch.setattr(watch, "RETRY_S", -1.0)
    assert there.has_changed()


@pytest.mark.parametrize("lag_ns", [0, 10_000_000])
def test_a_folder_that_changed_while_it_was_read_is_read_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, lag_ns: int
) -> None:
    changed = max(place.stat().st_mtime_ns for place in (folder, *folder.rglob("*/")))
    there = FolderWatch(read(folder), changed - 1 + lag_ns, lambda: np.array([0]))
    assert not there.has_changed()
    monkeypatch.setattr(watch, "RETRY_S", -1.0)
    assert there.has_changed()
