"""A disk that becomes full at any write of a run: one sentence, nothing lost, and the resume ends the same."""

from __future__ import annotations

import builtins
import io
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import DictConfig

from coilal.common.types import UserError
from coilal.run_directory.files import read_status
from coilal.run_directory.store import read_queries
from coilal.runs.run import run
from tests.e2e.test_run import without_times
from tests.run_folders import run_folder

pytestmark = pytest.mark.slow

DEVICE = Path("/dev/full")  # each write to it fails as on a full disk


class Disk:
    """Becomes full after a number of files; then whatever is opened for writing lies on ``/dev/full``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files, self.full_after = 0, 1 << 30
        replace, opened = os.replace, builtins.open

        def counted(*args: Any, **kwargs: Any) -> None:
            replace(*args, **kwargs)
            self.files += 1

        def open_(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            if self.files >= self.full_after and set(mode) & set("wax+"):
                return opened(DEVICE, mode, *args, **kwargs)
            return opened(file, mode, *args, **kwargs)

        monkeypatch.setattr(os, "replace", counted)
        monkeypatch.setattr(builtins, "open", open_)
        monkeypatch.setattr(io, "open", open_)

    def becomes_full(self, after: int) -> None:
        """Be full after so many files from now on."""
        self.files, self.full_after = 0, after

    def has_room(self) -> None:
        """Be empty again."""
        self.files, self.full_after = 0, 1 << 30


def assert_equal(folder: Path, whole: Path) -> None:
    pd.testing.assert_frame_equal(without_times(folder), without_times(whole), check_exact=True)
    pd.testing.assert_frame_equal(read_queries(folder), read_queries(whole), check_exact=True)
    ours, theirs = np.load(folder / "predictions.npz"), np.load(whole / "predictions.npz")
    np.testing.assert_array_equal(ours["probabilities"], theirs["probabilities"])


@pytest.mark.skipif(not DEVICE.exists(), reason="there is no /dev/full here")
def test_a_disk_that_is_full_at_any_file_of_a_run_loses_nothing(
    small: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    def settings(study: str) -> DictConfig:
        return small(f"study={study}", "strategy=margin", "trainer.max_epochs=1", "budget.cycles=1")

    run(settings("first"))  # fills the cache
    disk, whole = Disk(monkeypatch), settings("whole")
    run(whole)
    files = disk.files
    assert files > 10
    for after in range(files):
        cfg = settings(f"full{after}")
        folder = run_folder(cfg)
        disk.becomes_full(after)
        with pytest.raises(UserError, match=r"the disk is full; free some space\. Then give the same command"):
            run(cfg)
        disk.has_room()
        assert not list(folder.rglob("*.partial"))
        assert read_status(folder).get("state") != "done"
        run(cfg)
        assert read_status(folder)["state"] == "done"
        assert_equal(folder, run_folder(whole))


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 32 kB."""
    place = tmp_path / "tiny"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"file systems cannot be mounted here: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_run_on_a_disk_that_is_too_small_goes_on_once_there_is_room(
    small: Callable[..., DictConfig], tiny_disk: Path
) -> None:
    few = ("strategy=margin", "trainer.max_epochs=1", "budget.cycles=1")
    whole, cfg = small("study=whole", *few), small("study=tiny", *few, f"outputs={tiny_disk}")
    run(whole)
    with pytest.raises(UserError, match="the disk is full"):
        run(cfg)
    folder = run_folder(cfg)
    assert not list(folder.rglob("*.partial"))
    subprocess.run(["mount", "-o", "remount,size=16m", str(tiny_disk)], check=True)
    run(cfg)
    assert_equal(folder, run_folder(whole))
