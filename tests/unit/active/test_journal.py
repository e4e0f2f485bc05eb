"""What was added to a journal is there, whatever happens to the process or the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coilal.active.journal import Journal
from coilal.common.types import UserError


def test_records_come_back_in_order_and_a_new_process_adds_to_them(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    assert Journal(path).read() == []
    Journal(path).add({"a": 1})
    Journal(path).add({"name": "Lücke\n"})
    assert Journal(path).read() == [{"a": 1}, {"name": "Lücke\n"}]


def test_a_record_is_on_the_disk_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    path = tmp_path / "j.jsonl"
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(path.read_bytes()))
    Journal(path).add({"a": 1})
    assert len(synced) == 2, "the content, and the name in the folder"
    assert synced[0].endswith(b'{"a": 1}\n')


def test_what_a_kill_left_of_a_record_is_none_and_makes_room_for_the_next(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    Journal(path).add({"a": 1})
    whole = path.read_bytes()
    for left in range(1, len(whole)):
        path.write_bytes(whole[:left])
        assert Journal(path).read() == []
        Journal(path).add({"b": 2})
        assert Journal(path).read() == [{"b": 2}]


def test_a_record_that_the_disk_refuses_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "j.jsonl")
    journal.add({"a": 1})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="space"):
            journal.add({"b": 2})
    assert Journal(journal.path).read() == [{"a": 1}]
    journal.add({"c": 3})
    assert Journal(journal.path).read() == [{"a": 1}, {"c": 3}]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b'{"journal": 1}\n{"a": 1\n{"b": 1}\n', 2),
        (b'{"journal": 1}\n[1]\n', 2),
        (b'{"journal": 9}\n', 1),
        (b'{"a": 1}\n', 1),
        (b'{"journal": 1}\n\xff\n', 2),
        (b'{"journal": 1}\n' + b"[" * 100_000 + b"\n", 2),
    ],
)
def test_damage_is_told_with_its_line(tmp_path: Path, content: bytes, line: int) -> None:
    path = tmp_path / "j.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"j\.jsonl is damaged \(line {line}: "):
        Journal(path).read()
