from __future__ import annotations

import logging
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from coilal.array_store import open_or_build
from coilal.types import UserError


def fill(array: np.ndarray) -> None:
    array[:] = np.arange(array.size).reshape(array.shape)


def test_built_once_then_mapped(tmp_path: Path) -> None:
    calls = []
    for _ in range(2):
        array = open_or_build(tmp_path / "a.npy", (3, 4), np.float32, lambda a: (calls.append(1), fill(a))[1])
    assert calls == [1]
    assert isinstance(array, np.memmap)
    np.testing.assert_array_equal(array, np.arange(12).reshape(3, 4))


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def broken(array: np.ndarray) -> None:
        array[0] = 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_or_build(tmp_path / "a.npy", (3,), np.uint8, broken)
    assert not list(tmp_path.glob("*.npy"))
    assert not list(tmp_path.glob(".*.npy"))


def test_leftovers_of_a_killed_build_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".a-killed.npy").write_bytes(b"half")
    open_or_build(tmp_path / "a.npy", (3,), np.uint8, fill)
    assert [p.name for p in tmp_path.glob("*.npy")] == ["a.npy"]
    assert not (tmp_path / ".a-killed.npy").exists()


@pytest.mark.parametrize("keep", [0, 50, 140])
def test_a_truncated_file_is_made_again_and_said_so(
    tmp_path: Path, keep: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.npy"
    open_or_build(path, (100,), np.uint8, fill)
    path.write_bytes(path.read_bytes()[:keep])
    with caplog.at_level(logging.WARNING):
        array = open_or_build(path, (100,), np.uint8, fill)
    np.testing.assert_array_equal(array, np.arange(100))
    assert "damaged" in caplog.text


def test_too_small_a_disk_is_said_before_work(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cache\.dir"):
        open_or_build(tmp_path / "a.npy", (10**18,), np.uint8, fill)


def count_build(folder: str) -> None:
    def counted(array: np.ndarray) -> None:
        with (Path(folder) / "builds").open("a") as stream:
            stream.write("x")
        fill(array)

    open_or_build(Path(folder) / "a.npy", (1000,), np.uint16, counted)


def test_of_several_processes_one_builds(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        pool.map(count_build, [str(tmp_path)] * 3)
    assert (tmp_path / "builds").read_text() == "x"
