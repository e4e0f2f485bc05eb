"""Runs on machines that refuse something: told before anything is decoded, and nothing is lost."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

import coilal.runs.learn
from coilal.common.types import UserError
from coilal.run_directory.files import read_status
from coilal.runs.run import run
from tests.run_folders import run_folder

pytestmark = pytest.mark.slow


def test_a_folder_that_cannot_be_written_is_told_before_images_are_decoded(
    small: Callable[..., DictConfig], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    cache = tmp_path / "cache"
    with pytest.raises(UserError, match=r"file is a file, and the run needs a folder there"):
        run(small(f"outputs={tmp_path}/file/outputs", f"cache.dir={cache}"))
    assert not cache.exists()


def test_missing_locks_are_told_before_images_are_decoded(
    small: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(UserError, match=r"has no locks .*outputs=FOLDER"):
        run(small(f"cache.dir={tmp_path}/cache"))
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "outputs").exists()


def test_a_finished_run_is_skipped_where_nothing_can_be_written(
    small: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = small("budget.cycles=0", "trainer.max_epochs=1")
    value = run(cfg)

    def refuse(**_: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert run(cfg) == pytest.approx(value, nan_ok=True)


def test_a_disk_that_cannot_note_an_error_does_not_hide_it(
    small: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def learn(_parts: Any) -> float:
        def full(_descriptor: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        raise ZeroDivisionError("the first error")

    cfg = small()
    monkeypatch.setattr(coilal.runs.learn, "learn", learn)
    with pytest.raises(ZeroDivisionError, match="the first error"):
        run(cfg)
    assert "could not be noted" in caplog.text
    assert read_status(run_folder(cfg))["state"] == "running"  # its process will be gone: cut off, to be resumed
