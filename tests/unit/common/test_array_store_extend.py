"""Arrays of which another one holds some rows: these are copied, the others made, and nobody sees a difference."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from coilal.common.array_store import Content, Target, build, extend, open_or_build, open_or_extend, store

WIDTH = 3
Keys = np.ndarray


def of(keys: Keys) -> np.ndarray:
    """Return the rows that keys stand for."""
    return np.random.default_rng(0).normal(size=(1000, WIDTH)).astype(np.float32)[keys.astype(np.int64)]


class Folder:
    """Arrays in a folder, and what was made of them."""

    def __init__(self, path: Path) -> None:
        self.path, self.made = path, list[int]()

    def open(
        self, name: str, keys: Keys, kind: str = "k", dtype: str = "float32", fails_after: int = 1000
    ) -> np.ndarray:
        target = Target(self.path / "features" / f"{name}.npy", (len(keys), WIDTH), np.dtype(dtype), name)

        def rows(ids: np.ndarray) -> Iterator[np.ndarray]:
            for place in range(0, len(ids), 4):
                if place >= fails_after:
                    raise KeyboardInterrupt
                some = ids[place : place + 4]
                self.made += keys[some].tolist()
                yield of(keys[some])

        return open_or_extend(target, Content(kind, lambda: keys.astype(np.uint64)), rows)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.setattr(extend, "_BLOCK_BYTES", 100)  # eight rows
    return Folder(tmp_path)


@pytest.mark.parametrize("seed", range(8))
def test_rows_that_are_known_are_copied_wherever_they_are(folder: Folder, seed: int) -> None:
    chance = np.random.default_rng(seed)
    before, now = (chance.choice(60, chance.integers(1, 50), replace=seed % 2 == 1) for _ in range(2))
    np.testing.assert_array_equal(folder.open("before", before), of(before))
    folder.made.clear()
    np.testing.assert_array_equal(folder.open("now", now), of(now))
    assert folder.made == [key for key in now.tolist() if key not in before]


def test_of_several_the_one_with_most_of_the_rows_is_copied_from(folder: Folder) -> None:
    for name, count in (("a", 5), ("b", 20), ("c", 10)):
        folder.open(name, np.arange(count))
    folder.made.clear()
    folder.open("now", np.arange(25))
    assert folder.made == [20, 21, 22, 23, 24]


def test_rows_of_another_kind_and_of_another_type_are_not_taken(folder: Folder) -> None:
    folder.open("a", np.arange(9))
    folder.open("other", np.arange(9), kind="other")
    folder.open("half", np.arange(9), dtype="float16")
    assert folder.made == [*range(9)] * 3


def test_damaged_and_removed_arrays_are_not_copied_from(folder: Folder) -> None:
    for name in ("damaged", "removed", "sound"):
        folder.open(name, np.arange(9 if name != "sound" else 5))
    (folder.path / "features/removed.npy").unlink()
    damaged = folder.path / "features/damaged.npy"
    damaged.write_bytes(damaged.read_bytes()[:-4] + b"abcd")
    (folder.path / "features/k-strange.keys").write_bytes(b"no keys")
    folder.made.clear()
    np.testing.assert_array_equal(folder.open("now", np.arange(9)), of(np.arange(9)))
    assert folder.made == [5, 6, 7, 8]


def test_of_a_large_array_every_byte_is_checked_before_it_is_copied(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "COMMIT_BYTES", 40)
    monkeypatch.setattr(store, "CHECKED_BYTES", 1)  # of a file so large only the first and the last chunk are
    folder.open("before", np.arange(40))
    path = folder.path / "features/before.npy"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    folder.made.clear()
    np.testing.assert_array_equal(folder.open("now", np.arange(41)), of(np.arange(41)))
    assert len(folder.made) == 41


def test_what_is_interrupted_goes_on(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "COMMIT_S", 0.0)
    known, now = np.arange(0, 40, 2), np.arange(40)
    folder.open("before", known)
    folder.made.clear()
    with pytest.raises(KeyboardInterrupt):
        folder.open("now", now, fails_after=12)
    assert len(folder.made) == 12
    np.testing.assert_array_equal(folder.open("now", now), of(now))
    assert sorted(folder.made)[:4] == [1, 3, 5, 7]
    assert folder.made.count(1) == 1, "what was committed is not made again"


@pytest.mark.parametrize("known", [np.arange(3), np.arange(37, 40), np.array([20])])
def test_rows_that_are_made_do_not_wait_for_a_block_of_copied_ones(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, known: Keys
) -> None:
    monkeypatch.setattr(build, "COMMIT_S", 0.0)
    monkeypatch.setattr(extend, "_BLOCK_BYTES", 1 << 24)
    folder.open("before", known)
    folder.made.clear()
    with pytest.raises(KeyboardInterrupt):
        folder.open("now", np.arange(40), fails_after=24)
    assert len(folder.made) == 24
    np.testing.assert_array_equal(folder.open("now", np.arange(40)), of(np.arange(40)))
    assert len(folder.made) == 40 - len(known), "what was made before the kill was committed"


def test_keys_that_are_damaged_are_passed_over_and_kept_anew(folder: Folder) -> None:
    folder.open("before", np.arange(30))
    (kept,) = folder.path.glob("features/*before.keys")
    sound = kept.read_bytes()
    for place in range(128):  # the header, in which each byte may raise something else
        kept.write_bytes(sound[:place] + bytes([sound[place] ^ 4]) + sound[place + 1 :])
        folder.open(f"now{place}", np.arange(31))
    kept.write_bytes(sound[:-9])
    folder.open("before", np.arange(30))
    assert kept.read_bytes() == sound


def test_an_array_that_must_not_be_read_is_not_copied_from(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.open("before", np.arange(9))

    def refused(_: Target, in_every_byte: bool = False) -> None:
        raise PermissionError(errno.EACCES, "of another user")

    monkeypatch.setattr(extend, "open_sound", refused)
    np.testing.assert_array_equal(folder.open("now", np.arange(10)), of(np.arange(10)))


def test_an_array_of_an_earlier_version_is_copied_from_once_it_has_been_opened(folder: Folder) -> None:
    keys = np.arange(6)
    path = folder.path / "features" / "old.npy"
    open_or_build(
        Target(path, (6, WIDTH), np.dtype("float32")),
        lambda start: (of(keys[here : here + 1]) for here in range(start, 6)),
    )
    folder.open("old", keys)
    folder.open("now", np.arange(8))
    assert folder.made == [6, 7]


def test_how_many_are_copied_is_said(folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
    folder.open("before", np.arange(9))
    with caplog.at_level(logging.INFO):
        folder.open("now", np.arange(4, 12))
    assert "now: 5 rows of 8 are copied from what was stored before" in caplog.text


def test_where_keys_cannot_be_kept_the_array_serves(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "read-only")

    monkeypatch.setattr(extend.np, "save", refused)
    np.testing.assert_array_equal(folder.open("a", np.arange(3)), of(np.arange(3)))
