from __future__ import annotations

from pathlib import Path

from coilal.labelling.opened import note_opened, where_open


def test_it_is_said_where_a_session_is_open(tmp_path: Path) -> None:
    assert "open already. Label there" in where_open(tmp_path), "it is only just being opened"
    note_opened(tmp_path)
    assert "serves" not in where_open(tmp_path)
    note_opened(tmp_path, "http://127.0.0.1:8571/")
    assert "serves the page at http://127.0.0.1:8571/. Label there" in where_open(tmp_path)
