"""Stored arrays: built once whoever asks, continued after a kill, checked when opened."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from coilal.array_store import build, open_or_build, open_or_build_rows, store
from coilal.types import UserError

SHAPE = (40, 6)
EXPECTED = np.arange(240, dtype=np.float32).reshape(SHAPE)
spawn = multiprocessing.get_context("spawn")


def fill(array: np.ndarray) -> None:
    array[:] = np.arange(array.size).reshape(array.shape)


def blocks(start: int, size: int = 4) -> Iterator[np.ndarray]:
    for first in range(start, len(EXPECTED), size):
        yield EXPECTED[first : first + size]


def whole(path: Path) -> np.ndarray:
    return open_or_build(path, SHAPE, np.float32, fill)


def by_rows(path: Path) -> np.ndarray:
    return open_or_build_rows(path, SHAPE, np.float32, blocks)


def tree(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "features" / "a.npy"


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit after each block of rows."""
    monkeypatch.setattr(build, "COMMIT_S", 0.0)
    monkeypatch.setattr(build, "COMMIT_BYTES", 96)


both = pytest.mark.parametrize("build_it", [whole, by_rows])
Build = Callable[[Path], np.ndarray]


@both
def test_built_then_mapped_without_writing(path: Path, build_it: Build) -> None:
    build_it(path)
    before = tree(path.parent)
    array = build_it(path)
    assert isinstance(array, np.memmap)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, EXPECTED)
    assert tree(path.parent) == before
    assert {p.name for p in path.parent.iterdir()} == {"a.npy", "a.json", "a.lock"}
    np.testing.assert_array_equal(np.load(path), EXPECTED)


def test_structured_and_half_precision_arrays(path: Path) -> None:
    content = np.dtype([("digest", "<u8"), ("blank", np.bool_)])

    def fill_both(array: np.ndarray) -> None:
        array["digest"], array["blank"] = 7, True

    for _ in range(2):
        array = open_or_build(path, (3,), content, fill_both)
        assert array["digest"].tolist() == [7, 7, 7]
    half = open_or_build_rows(path.with_name("b.npy"), SHAPE, np.float16, blocks)
    np.testing.assert_array_equal(half, EXPECTED.astype(np.float16))


def test_a_failed_whole_build_leaves_nothing(path: Path) -> None:
    def broken(array: np.ndarray) -> None:
        array[0] = 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_or_build(path, SHAPE, np.uint8, broken)
    assert {p.name for p in path.parent.iterdir()} == {"a.lock"}


def test_rows_that_cannot_be_stored_leave_nothing(path: Path, small_chunks: None) -> None:
    def broken(start: int) -> Iterator[np.ndarray]:
        yield EXPECTED[:4]
        raise UserError("these values do not fit")

    with pytest.raises(UserError, match="do not fit"):
        open_or_build_rows(path, SHAPE, np.float32, broken)
    assert {p.name for p in path.parent.iterdir()} == {"a.lock"}


def test_what_makes_the_rows_is_closed_before_an_error_is_told(path: Path) -> None:
    closed = []

    def misfit(start: int) -> Iterator[np.ndarray]:
        try:
            yield np.array(["no number"])
        finally:
            closed.append(start)

    with pytest.raises(ValueError, match="no number") as kept:
        open_or_build_rows(path, SHAPE, np.float32, misfit)
    assert closed == [0], kept  # while the traceback still holds everything


def test_missing_rows_are_noticed(path: Path) -> None:
    with pytest.raises(RuntimeError, match="bytes"):
        open_or_build_rows(path, (41, 6), np.float32, blocks)
    assert not path.exists()


def rows_until_killed(folder: str, moment: int, sent: int) -> None:
    build.COMMIT_S = 0.0
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored below a shell's background job

    def rows(start: int) -> Iterator[np.ndarray]:
        for number, block in enumerate(blocks(start)):
            if number == moment:
                os.kill(os.getpid(), sent)
            yield block

    open_or_build_rows(Path(folder) / "a.npy", SHAPE, np.float32, rows)


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_build_is_continued(tmp_path: Path, sent: int) -> None:
    child = spawn.Process(target=rows_until_killed, args=(str(tmp_path), 6, sent))
    child.start()
    child.join()
    assert child.exitcode != 0
    starts = []

    def rows(start: int) -> Iterator[np.ndarray]:
        starts.append(start)
        return blocks(start)

    path = tmp_path / "a.npy"
    assert not path.exists()
    np.testing.assert_array_equal(open_or_build_rows(path, SHAPE, np.float32, rows), EXPECTED)
    assert starts == [24]
    assert {p.name for p in tmp_path.iterdir()} == {"a.npy", "a.json", "a.lock"}


@pytest.mark.parametrize(("damage", "continued"), [("last", 20), ("first", 0), ("header", 0), ("record", 0)])
def test_only_sound_chunks_are_continued(path: Path, small_chunks: None, damage: str, continued: int) -> None:
    def interrupted(start: int) -> Iterator[np.ndarray]:
        yield from list(blocks(0))[:6]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_or_build_rows(path, SHAPE, np.float32, interrupted)
    partial, progress = path.parent / ".a.npy.partial", path.parent / ".a.json.progress"
    if damage == "record":
        progress.write_text("{")
    else:
        flip(partial, {"last": -1, "first": 140, "header": 7}[damage])
    starts = []

    def rows(start: int) -> Iterator[np.ndarray]:
        starts.append(start)
        return blocks(start)

    np.testing.assert_array_equal(open_or_build_rows(path, SHAPE, np.float32, rows), EXPECTED)
    assert starts == [continued]


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "in the header": lambda path: path.write_bytes(path.read_bytes()[:50]),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "flipped bit": lambda path: flip(path, 500),
    "flipped last bit": lambda path: flip(path, -1),
    "other header": lambda path: path.write_bytes(path.read_bytes().replace(b"(40, 6)", b"(6, 40)")),
    "other array": lambda path: np.save(path, EXPECTED.astype(np.float64)),
    "no record": lambda path: path.with_suffix(".json").unlink(),
    "damaged record": lambda path: path.with_suffix(".json").write_text("{}"),
    "another record": lambda path: path.with_suffix(".json").write_text(
        json.dumps({"about": "", "shape": SHAPE, "dtype": "", "chunks": [[1088, 1]]})
    ),
}


@both
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_made_again_and_said_so(
    path: Path, small_chunks: None, build_it: Build, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    build_it(path)
    DAMAGES[damage](path)
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(build_it(path), EXPECTED)
    assert ["is damaged (" in record.message for record in caplog.records] == [True]
    caplog.clear()
    build_it(path)
    assert not caplog.records


@both
def test_what_is_stored_is_opened_without_knowing_its_shape(path: Path, build_it: Build) -> None:
    assert store.open_stored(path) is None
    build_it(path)
    stored = store.open_stored(path)
    assert stored is not None
    assert stored.dtype == EXPECTED.dtype
    np.testing.assert_array_equal(stored, EXPECTED)


RECORDS: dict[str, dict[str, object]] = {
    "shape": {"shape": ["forty", 6]},
    "no shape": {"shape": None},
    "other shape": {"shape": [6, 40]},
    "type": {"dtype": "float31"},
    "other type": {"dtype": "float64"},
}


def spoil_record(path: Path, change: dict[str, object]) -> None:
    file = path.with_suffix(".json")
    file.write_text(json.dumps(json.loads(file.read_text()) | change))


@pytest.mark.parametrize("damage", [*DAMAGES, *RECORDS])
def test_what_is_damaged_is_not_opened(path: Path, small_chunks: None, damage: str) -> None:
    by_rows(path)
    if damage in RECORDS:
        spoil_record(path, RECORDS[damage])
    else:
        DAMAGES[damage](path)
    assert store.open_stored(path) is None
    np.testing.assert_array_equal(by_rows(path), EXPECTED)


def test_of_a_large_file_a_sample_is_checked(
    path: Path, small_chunks: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    by_rows(path)
    read = []
    sound = store.is_sound
    monkeypatch.setattr(store, "is_sound", lambda *args: (read.append(args[1]), sound(*args))[1])
    monkeypatch.setattr(store, "CHECKED_BYTES", 550)
    os.utime(path, ns=(0, 0))  # as if another process opened it
    by_rows(path)
    assert len(read) == 2 + 4  # first and last, and half of the eight between
    assert 0 in read
    flip(path, -1)
    by_rows(path)
    assert "damaged" in caplog.text


def test_content_is_compared_once_in_a_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_rows(path)  # builds it
    by_rows(path)
    monkeypatch.setattr(store, "is_sound", lambda *_: pytest.fail("compared again"))
    by_rows(path)


def test_too_small_a_disk_is_said_before_work(path: Path) -> None:
    with pytest.raises(UserError, match=r"cache\.dir"):
        open_or_build(path, (10**18,), np.uint8, lambda _: pytest.fail("work was begun"))


def test_a_disk_that_fills_up_keeps_what_is_done(path: Path, small_chunks: None) -> None:
    def full(start: int) -> Iterator[np.ndarray]:
        yield EXPECTED[:8]
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="full"):
        open_or_build_rows(path, SHAPE, np.float32, full)
    np.testing.assert_array_equal(by_rows(path), EXPECTED)


def test_the_limit_of_the_cache_names_what_lies_there(tmp_path: Path) -> None:
    def row(name: str, max_gb: float) -> None:
        path = tmp_path / "features" / f"{name}.npy"
        open_or_build_rows(path, SHAPE, np.float32, blocks, about=f"features {name}", max_gb=max_gb)

    row("a", 1e-5)
    with pytest.raises(UserError) as error:
        row("b", 2e-6)
    assert "features a" in str(error.value)
    assert str(tmp_path / "features" / "a.npy") in str(error.value)
    assert "cache.max_gb=2e-06" in str(error.value)
    row("a", 1e-7)  # what is there is used
    row("b", 1e-5)


def test_a_read_only_cache(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_rows(path)
    (path.parent / "a.lock").unlink()
    before = tree(path.parent)
    # the superuser may write everywhere, so the tests cannot rely on file modes
    monkeypatch.setattr(os, "access", lambda place, mode: mode != os.W_OK)
    np.testing.assert_array_equal(by_rows(path), EXPECTED)
    with pytest.raises(UserError, match=r"b\.npy.*read-only.*cache\.dir"):
        by_rows(path.with_name("b.npy"))
    with pytest.raises(UserError, match="read-only"):
        by_rows(path.parents[1] / "absent" / "b.npy")
    assert tree(path.parent) == before
    assert not (path.parents[1] / "absent").exists()


def count_build(folder: str, rows: bool) -> None:
    def counted() -> None:
        with (Path(folder) / "builds").open("a") as stream:
            stream.write("x")

    def counted_rows(start: int) -> Iterator[np.ndarray]:
        counted()
        return blocks(start)

    if rows:
        open_or_build_rows(Path(folder) / "a.npy", SHAPE, np.float32, counted_rows)
    else:
        open_or_build(Path(folder) / "a.npy", (1000,), np.uint16, lambda array: (counted(), fill(array))[1])


@pytest.mark.parametrize("rows", [True, False])
def test_of_several_processes_one_builds(tmp_path: Path, rows: bool) -> None:
    with spawn.Pool(3) as pool:
        pool.starmap(count_build, [(str(tmp_path), rows)] * 3)
    assert (tmp_path / "builds").read_text() == "x"
