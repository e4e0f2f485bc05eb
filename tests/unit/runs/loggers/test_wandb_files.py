"""The reader of .wandb files, on files that wandb wrote, whole, torn and damaged."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from coilal.runs.loggers.wandb_files import BLOCK, WandbFileError, held_rows, read_records, says_the_same

pytestmark = pytest.mark.slow


# What a run may call its columns: names of classes are the user's.
ODD = ["f1/a.b", "f1/a b", "f1/ a b ", "f1/a/b", "f1/", "f1/ü+", "f1/a\\b", "f1/[x]", "f1/a", "f1/A", "f1/*", "_f1"]
ROWS = [
    {"labelled": 16.0 * step, "x": 0.1 + 0.2, **{name: 1e-17 * i for i, name in enumerate(ODD)}} for step in (1, 2)
]
LONG = {"labelled": 48.0, "x": float("nan"), "text": "x" * 3 * BLOCK}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a run with two short rows and one that needs several blocks."""
    import wandb

    folder = tmp_path_factory.mktemp("run")
    settings = wandb.Settings(mode="offline", silent=True, console="off", x_disable_stats=True, disable_git=True)
    run: Any = wandb.init(project="p", id="abc", dir=str(folder), reinit="create_new", settings=settings)
    for row in [*ROWS, LONG]:
        run.log(row, step=int(row["labelled"]), commit=True)
    run.finish()
    wandb.teardown()  # its process may write for a moment longer
    (path,) = folder.glob("wandb/offline-run-*/run-abc.wandb")
    return path


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """Return a place for a changed copy of the file."""
    path = tmp_path / "offline-run-1-abc" / whole.name
    path.parent.mkdir()
    return path


def held(folder: Path) -> list[dict[str, Any]]:
    return held_rows(folder, "abc", "p", None)


def test_rows_come_back_with_every_name_and_digit(whole: Path) -> None:
    rows = held(whole.parents[1])
    assert len(rows) == 3
    for row, found in zip([*ROWS, {k: v for k, v in LONG.items() if k != "text"}], rows, strict=True):
        assert set(row) <= set(found)
        assert says_the_same(found, {**row, "write_s": 1.0})
        assert not says_the_same(found, {**row, "labelled": row["labelled"] + 1e-9})
        assert not says_the_same(found, {**row, "unknown": 1.0})
    assert rows[2]["text"] == LONG["text"]


def test_another_run_project_or_entity_holds_nothing(whole: Path) -> None:
    folder = whole.parents[1]
    assert not held_rows(folder, "abd", "p", None)
    assert not held_rows(folder, "abc", "q", None)
    assert not held_rows(folder, "abc", "p", "team")
    assert not held_rows(folder / "none", "abc", "p", None)


def test_wherever_a_file_is_torn_the_rows_before_are_held(
    whole: Path, copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = whole.read_bytes()
    counts = []
    for length in [*range(0, 7000, 7), *range(7000, len(content), 4999), len(content)]:
        copy.write_bytes(content[:length])
        counts.append(len(held(copy.parents[1])))
    assert counts == sorted(counts)
    assert set(counts) == {0, 1, 2, 3}
    assert not caplog.text


def test_space_that_a_power_cut_left_unwritten_is_an_end(whole: Path, copy: Path) -> None:
    copy.write_bytes(whole.read_bytes() + bytes(2 * BLOCK))
    assert len(held(copy.parents[1])) == 3


def test_a_damaged_byte_is_warned_of_and_what_follows_does_not_count(
    whole: Path, copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = bytearray(whole.read_bytes())
    content[BLOCK + 100] ^= 1  # within the third row
    copy.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert len(held(copy.parents[1])) == 2
    assert "wrong checksum" in caplog.text
    assert caplog.text.count(str(copy)) == 1


@pytest.mark.parametrize("content", [b"PK\x03\x04" + bytes(100), b":W&B\xe1\xbe\x00" + b"\xff" * 100])
def test_a_foreign_file_is_warned_of(copy: Path, caplog: pytest.LogCaptureFixture, content: bytes) -> None:
    copy.write_bytes(content)
    with pytest.raises(WandbFileError):
        list(read_records(copy))
    assert held(copy.parents[1]) == []
    assert caplog.text.count(str(copy)) == 1
