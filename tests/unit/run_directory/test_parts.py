from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coilal.run_directory.files import read_status, write_status
from coilal.run_directory.health import DamagedError
from coilal.run_directory.parts import EARLIER_PARTS, other_versions, parts_so_far, seconds_before

BEGUN = {
    "state": "running",
    "host": "one",
    "pid": 1,
    "start": "2026-11-20T10:00:00+00:00",
    "versions": {"torch": "2.8", "timm": "1.0"},
    "git_commit": "aaa",
    "identity": "0123",
}


def cut_off(folder: Path, status: dict[str, Any], cycles: int) -> None:
    rows = [
        {"cycle": i, "labelled": 8 * i, "fit_s": 2.0, "write_s": 0.5, "test/a_s": 9.0, "peak_memory_mb": 7.0}
        for i in range(cycles)
    ]
    (folder / "checkpoints").mkdir(exist_ok=True)
    (folder / "checkpoints" / "state.json").write_text(json.dumps({"cycles": rows, "queries": []}))
    write_status(folder, status)


def test_a_part_is_what_its_status_said_and_what_its_cycles_measured(tmp_path: Path) -> None:
    cut_off(tmp_path, BEGUN, cycles=3)
    (part,) = parts_so_far(tmp_path)
    kept = {key: BEGUN[key] for key in ("start", "host", "pid", "versions", "git_commit")}
    assert part == {**kept, "cycles": 3, "seconds": 7.5}


def test_each_part_has_its_own_cycles(tmp_path: Path) -> None:
    cut_off(tmp_path, BEGUN, cycles=3)
    second = {**BEGUN, "host": "two", "end": "2026-11-21T10:00:00+00:00", EARLIER_PARTS: parts_so_far(tmp_path)}
    cut_off(tmp_path, second, cycles=5)
    first, last = parts_so_far(tmp_path)
    assert (first["host"], first["cycles"]) == ("one", 3)
    assert (last["host"], last["cycles"], last["end"]) == ("two", 2, second["end"])
    assert EARLIER_PARTS not in last
    assert seconds_before([first, last]) == 12.5


def test_a_run_without_a_finished_cycle_has_no_part_to_keep(tmp_path: Path) -> None:
    write_status(tmp_path, BEGUN)
    assert parts_so_far(tmp_path) == []


@pytest.mark.parametrize(
    "parts",
    [
        3,
        ["x"],
        [{"cycles": 1}],
        [{"cycles": "1", "seconds": 2.0}],
        [{"cycles": 2, "seconds": 2.0}],  # more than there are
        [{"cycles": -1, "seconds": 2.0}],
        [{"cycles": 1, "seconds": float("nan")}],
    ],
)
def test_parts_that_say_nothing_are_damaged(tmp_path: Path, parts: object) -> None:
    cut_off(tmp_path, {**BEGUN, EARLIER_PARTS: parts}, cycles=1)
    with pytest.raises(DamagedError, match=rf"{tmp_path}/status.json is damaged .*{EARLIER_PARTS}"):
        parts_so_far(tmp_path)


def test_other_versions_are_named(tmp_path: Path) -> None:
    cut_off(tmp_path, BEGUN, cycles=1)
    parts = parts_so_far(tmp_path)
    assert other_versions(parts, read_status(tmp_path)) == []
    now = {"versions": {"torch": "2.9", "timm": "1.0", "new": "1"}, "git_commit": "bbb"}
    assert other_versions(parts, now) == ["torch: 2.8 → 2.9", "git commit: aaa → bbb"]
    assert other_versions([{"cycles": 1, "seconds": 0.0}], now) == [], "an earlier version may not have noted them"
    assert other_versions([], now) == []
