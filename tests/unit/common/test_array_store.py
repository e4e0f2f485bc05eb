"""Stored arrays: built once whoever asks, continued after a kill, checked when opened."""

from __future__ import annotations

import errno
import json
import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from coilal.common.array_store import Target, build, disk_space, ensure_room_for_all, open_or_build, store
from coilal.common.types import UserError

SHAPE = (40, 6)
EXPECTED = np.arange(240, dtype=np.float32).reshape(SHAPE)
spawn = multiprocessing.get_context("spawn")


def target(path: Path, shape: tuple[int, ...] = SHAPE, dtype: str = "float32", about: str = "") -> Target:
    return Target(path, shape, np.dtype(dtype), about)


def blocks(start: int, size: int = 4) -> Iterator[np.ndarray]:
    for first in range(start, len(EXPECTED), size):
        yield EXPECTED[first : first + size]


def built(path: Path) -> np.ndarray:
    return open_or_build(target(path), blocks)


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


def test_built_then_mapped_without_writing(path: Path) -> None:
    built(path)
    before = tree(path.parent)
    array = built(path)
    assert isinstance(array, np.memmap)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, EXPECTED)
    assert tree(path.parent) == before
    assert {p.name for p in path.parent.iterdir()} == {"a.npy", "a.json", "a.lock"}
    np.testing.assert_array_equal(np.load(path), EXPECTED)


def test_structured_and_half_precision_arrays(path: Path) -> None:
    pixels = np.arange(240, dtype=np.uint8).reshape(40, 2, 3)
    both = np.zeros(40, dtype=[("digest", "<u8"), ("blank", np.bool_), ("pixels", np.uint8, (2, 3))])
    both["digest"], both["pixels"] = np.arange(40), pixels
    for _ in range(2):
        array = open_or_build(Target(path, (40,), both.dtype), lambda start: (b for b in (both[:7], both[7:])))
        assert array["digest"].tolist() == list(range(40))
        np.testing.assert_array_equal(array["pixels"], pixels)
    half = open_or_build(target(path.with_name("b.npy"), dtype="float16"), blocks)
    np.testing.assert_array_equal(half, EXPECTED.astype(np.float16))


def test_rows_that_cannot_be_stored_leave_nothing(path: Path, small_chunks: None) -> None:
    def broken(start: int) -> Iterator[np.ndarray]:
        yield EXPECTED[:4]
        raise UserError("these values do not fit")

    with pytest.raises(UserError, match="do not fit"):
        open_or_build(target(path), broken)
    assert {p.name for p in path.parent.iterdir()} == {"a.lock"}


def test_what_makes_the_rows_is_closed_before_an_error_is_told(path: Path) -> None:
    closed = []

    def misfit(start: int) -> Iterator[np.ndarray]:
        try:
            yield np.array(["no number"])
        finally:
            closed.append(start)

    with pytest.raises(ValueError, match="no number") as kept:
        open_or_build(target(path), misfit)
    assert closed == [0], kept  # while the traceback still holds everything


def test_missing_rows_are_noticed(path: Path) -> None:
    with pytest.raises(RuntimeError, match="bytes"):
        open_or_build(target(path, (41, 6)), blocks)
    assert not path.exists()


def rows_until_killed(folder: str, moment: int, sent: int) -> None:
    build.COMMIT_S = 0.0
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored below a shell's background job

    def rows(start: int) -> Iterator[np.ndarray]:
        for number, block in enumerate(blocks(start)):
            if number == moment:
                os.kill(os.getpid(), sent)
            yield block

    open_or_build(target(Path(folder) / "a.npy"), rows)


@pytest.mark.slow
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
    np.testing.assert_array_equal(open_or_build(target(path), rows), EXPECTED)
    assert starts == [24]
    assert {p.name for p in tmp_path.iterdir()} == {"a.npy", "a.json", "a.lock"}


@pytest.mark.parametrize(("damage", "continued"), [("last", 20), ("first", 0), ("header", 0), ("record", 0)])
def test_only_sound_chunks_are_continued(path: Path, small_chunks: None, damage: str, continued: int) -> None:
    def interrupted(start: int) -> Iterator[np.ndarray]:
        yield from list(blocks(0))[:6]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_or_build(target(path), interrupted)
    partial, progress = path.parent / ".a.npy.partial", path.parent / ".a.json.progress"
    if damage == "record":
        progress.write_text("{")
    else:
        flip(partial, {"last": -1, "first": 140, "header": 7}[damage])
    starts = []

    def rows(start: int) -> Iterator[np.ndarray]:
        starts.append(start)
        return blocks(start)

    np.testing.assert_array_equal(open_or_build(target(path), rows), EXPECTED)
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


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_made_again_and_said_so(
    path: Path, small_chunks: None, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    built(path)
    DAMAGES[damage](path)
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(built(path), EXPECTED)
    assert ["is damaged (" in record.message for record in caplog.records] == [True]
    caplog.clear()
    built(path)
    assert not caplog.records


def test_a_file_made_again_may_have_number_and_time_of_the_damaged_one(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    damaged_chunk = store._damaged_chunk
    monkeypatch.setattr(store, "_damaged_chunk", lambda place, chunks, *_: damaged_chunk(place, chunks, 7, 7))
    built(path)
    flip(path, -1)
    built(path)
    assert caplog.text.count("is damaged") == 1
    assert store.open_stored(path) is not None


def test_what_is_stored_is_opened_without_knowing_its_shape(path: Path) -> None:
    assert store.open_stored(path) is None
    built(path)
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
    built(path)
    if damage in RECORDS:
        spoil_record(path, RECORDS[damage])
    else:
        DAMAGES[damage](path)
    assert store.open_stored(path) is None
    np.testing.assert_array_equal(built(path), EXPECTED)


def test_of_a_large_file_a_sample_is_checked(
    path: Path, small_chunks: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    built(path)
    read = []
    sound = store.is_sound
    monkeypatch.setattr(store, "is_sound", lambda *args: (read.append(args[1]), sound(*args))[1])
    monkeypatch.setattr(store, "CHECKED_BYTES", 550)
    os.utime(path, ns=(0, 0))  # as if another process opened it
    built(path)
    assert len(read) == 2 + 4  # first and last, and half of the eight between
    assert 0 in read
    flip(path, -1)
    built(path)
    assert "damaged" in caplog.text


def test_content_is_compared_once_in_a_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built(path)  # builds it
    built(path)
    monkeypatch.setattr(store, "is_sound", lambda *_: pytest.fail("compared again"))
    built(path)


@pytest.mark.parametrize("moment", ["looking", "mapping"])
def test_an_array_that_another_process_removes_meanwhile_is_made_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """It has found damage that this process has not: of a large array each checks other chunks."""
    built(path)

    def removed_first(original: Callable[..., object]) -> Callable[..., object]:
        removals = iter([path])

        def remove_and_go_on(*args: object) -> object:
            for place in removals:
                place.unlink()
            return original(*args)

        return remove_and_go_on

    name = {"looking": "_damaged_chunk", "mapping": "_mapped"}[moment]
    os.utime(path, ns=(0, 0))  # as if another process opened it
    monkeypatch.setattr(store, name, removed_first(getattr(store, name)))
    assert store.open_stored(path) is None
    monkeypatch.undo()
    built(path)
    os.utime(path, ns=(1, 1))
    monkeypatch.setattr(store, name, removed_first(getattr(store, name)))
    np.testing.assert_array_equal(built(path), EXPECTED)


def test_too_small_a_disk_is_said_before_work(path: Path) -> None:
    with pytest.raises(UserError, match=r"cache\.dir"):
        open_or_build(target(path, (10**18,)), lambda _: pytest.fail("work was begun"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_keeps_what_is_done(path: Path, small_chunks: None, number: int) -> None:
    def full(start: int) -> Iterator[np.ndarray]:
        yield EXPECTED[:8]
        raise OSError(number, "no room left")

    with pytest.raises(UserError, match=r"free some space.*cache\.dir"):
        open_or_build(target(path), full)
    np.testing.assert_array_equal(built(path), EXPECTED)


def test_the_limit_of_the_cache_names_what_lies_there(tmp_path: Path) -> None:
    def row(name: str, max_gb: float) -> None:
        path = tmp_path / "features" / f"{name}.npy"
        open_or_build(target(path, about=f"features {name}"), blocks, max_gb)

    row("a", 1e-5)
    with pytest.raises(UserError) as error:
        row("b", 2e-6)
    assert "features a" in str(error.value)
    assert str(tmp_path / "features" / "a.npy") in str(error.value)
    assert "cache.max_gb=2e-06" in str(error.value)
    row("a", 1e-7)  # what is there is used
    row("b", 1e-5)


def interrupted_after(path: Path, blocks_done: int) -> None:
    def interrupted(start: int) -> Iterator[np.ndarray]:
        yield from list(blocks(0))[:blocks_done]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_or_build(target(path), interrupted)


def disk_free(monkeypatch: pytest.MonkeyPatch, path: Path, capacity: int) -> None:
    """Let the disk hold so many bytes of arrays."""

    def usage(_: Path) -> SimpleNamespace:
        used = sum(file.stat().st_size for file in path.parent.glob("*.npy*"))
        return SimpleNamespace(free=capacity - used)

    monkeypatch.setattr(disk_space.shutil, "disk_usage", usage)


LEFT: dict[str, Callable[[Path], object]] = {
    "some chunks": lambda path: interrupted_after(path, 6),
    "more than was committed": lambda path: (interrupted_after(path, 6), append(path.parent / ".a.npy.partial")),
    "chunks of no record": lambda path: (interrupted_after(path, 9), (path.parent / ".a.json.progress").unlink()),
    "a damaged array": lambda path: (built(path), flip(path, -1)),
    "a truncated array": lambda path: (built(path), path.write_bytes(path.read_bytes()[:-1])),
}


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes(200))


@pytest.mark.parametrize("left", LEFT)
def test_what_is_replaced_needs_no_room_of_its_own(
    path: Path, small_chunks: None, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    """The command that filled the cache before it was killed is not refused the second time."""
    LEFT[left](path)
    size = target(path).size
    small = sum(file.stat().st_size for file in path.parent.iterdir() if "npy" not in file.name)
    disk_free(monkeypatch, path, size)
    np.testing.assert_array_equal(open_or_build(target(path), blocks, max_gb=(size + small) / 1e9), EXPECTED)


@pytest.mark.parametrize("damage", ["flipped last bit", "no record"])
def test_a_damaged_array_stays_where_there_is_no_room_for_another(
    path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """Somebody may still bring its record back."""
    built(path)
    DAMAGES[damage](path)
    monkeypatch.setattr(disk_space.shutil, "disk_usage", lambda _: SimpleNamespace(free=-1))
    with pytest.raises(UserError, match=r"cache\.dir"):
        built(path)
    assert path.exists()


def test_several_arrays_that_do_not_fit_together_are_refused_before_the_first(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = [target(path.with_name(f"{name}.npy")) for name in "abc"]
    size = several[0].size
    ensure_room_for_all(several, max_gb=3 * size / 1e9)
    with pytest.raises(UserError, match=r"3 arrays.*cache\.max_gb"):
        ensure_room_for_all(several, max_gb=(3 * size - 1) / 1e9)
    disk_free(monkeypatch, path, 3 * size - 1)
    with pytest.raises(UserError, match=r"3 arrays.*cache\.dir"):
        ensure_room_for_all(several, max_gb=None)
    built(path)  # and the other two still fit
    disk_free(monkeypatch, path, 3 * size)
    ensure_room_for_all(several, max_gb=None)


def test_a_read_only_cache(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built(path)
    (path.parent / "a.lock").unlink()
    before = tree(path.parent)

    def refuse(
        *_: object, **__: object
    ) -> None:  # the superuser may write everywhere, so file modes are no use here
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    np.testing.assert_array_equal(built(path), EXPECTED)
    with pytest.raises(UserError, match=r"b\.npy.*read-only.*cache\.dir"):
        built(path.with_name("b.npy"))
    with pytest.raises(UserError, match="read-only"):
        built(path.parents[1] / "absent" / "b.npy")
    assert tree(path.parent) == before
    assert not (path.parents[1] / "absent").exists()


def count_build(folder: str) -> None:
    def counted(start: int) -> Iterator[np.ndarray]:
        with (Path(folder) / "builds").open("a") as stream:
            stream.write("x")
        return blocks(start)

    open_or_build(target(Path(folder) / "a.npy"), counted)


@pytest.mark.slow
def test_of_several_processes_one_builds(tmp_path: Path) -> None:
    with spawn.Pool(3) as pool:
        pool.starmap(count_build, [(str(tmp_path),)] * 3)
    assert (tmp_path / "builds").read_text() == "x"
