from __future__ import annotations

import errno
from pathlib import Path

import pytest

from coilal.common import machine
from coilal.common.types import DataError, Problem, UserError
from coilal.runs.refusals import kept_in, once


def test_what_was_refused_is_refused_again_without_a_look_and_only_within_the_launch(tmp_path: Path) -> None:
    looked: list[str] = []

    def refuse() -> None:
        looked.append("refused")
        raise DataError([Problem("an image is truncated", ("ä.png",))])

    def give() -> str:
        looked.append("given")
        return "images"

    with kept_in(tmp_path / "one"):
        for _ in range(3):
            with pytest.raises(DataError, match=r"^an image is truncated \(1\):\n  ä\.png$"):
                once({"data": 1}, refuse)
            assert once({"data": 2}, give) == "images"
    assert looked.count("refused") == 1
    with kept_in(tmp_path / "two"), pytest.raises(DataError):
        once({"data": 1}, refuse)
    with pytest.raises(DataError):
        once({"data": 1}, refuse)
    assert looked.count("refused") == 3


def test_what_is_no_refusal_is_tried_again(tmp_path: Path) -> None:
    def fail() -> None:
        raise OSError("the network is away")

    with kept_in(tmp_path):
        with pytest.raises(OSError, match="away"):
            once({}, fail)
        assert once({}, lambda: 1) == 1


def test_what_the_machine_refuses_is_tried_again_for_the_next_cell(tmp_path: Path) -> None:
    def fill() -> None:
        raise UserError("/cache: the disk is full; free some space.")

    with kept_in(tmp_path):
        with pytest.raises(UserError, match="disk is full"):
            once({}, fill)
        assert once({}, lambda: "images") == "images"


def test_a_file_system_without_locks_is_that_of_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(machine.FileLock, "acquire", refuse)
    with kept_in(tmp_path), pytest.raises(UserError, match="has no locks") as error:
        once({}, lambda: "images")
    assert "outputs=FOLDER" in str(error.value)
    assert "cache.dir" not in str(error.value)
