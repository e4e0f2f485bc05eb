"""The benchmark of the desk measures sessions as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import desk


def test_a_small_session_is_measured_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "IMAGES", 400)
    row = desk.measure(3, tmp_path, desk.images())
    assert row.batches == 3
    assert row.key > 0
    assert row.progress > 0
    text = desk.document([row], "Machine: some.")
    assert "| 3 | " in text
    assert max(map(len, text.splitlines())) <= 116
