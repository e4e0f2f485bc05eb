"""Answers in files, told to a session."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coilal.labelling.elsewhere import take_answers
from tests.unit.labelling.sessions import NAMES, ask, opened


def annotated(name: str, *answers: str) -> dict[str, Any]:
    """Return a task of Label Studio that each of several people has answered."""
    said = [
        {
            "completed_by": who,
            "result": [
                {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [answer]}}
            ],
        }
        for who, answer in enumerate(answers)
    ]
    return {"data": {"coilal_image": name, "image": name}, "annotations": said}


def test_who_differ_within_a_file_and_from_what_was_told_stand_under_two_headings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4, 0)
    there.desk.tell("eva#1", 0, "ok", 1.0, saw_guess=False)
    file = tmp_path / "exp.json"
    file.write_text(json.dumps([annotated(NAMES[4], "ok", "dent"), annotated(NAMES[0], "dent")]))
    run = SimpleNamespace(images=there.images, desk=there.desk, sessions=(there.audit, there.pool))
    take_answers(run, file, "spreadsheet")  # type: ignore[arg-type]
    said = "\n".join(record.getMessage() for record in caplog.records)
    of_file, _, before = said.partition("conflicts with what was told before")
    assert "they differ, so nothing was told; leave one answer of each" in of_file
    assert NAMES[4] in of_file
    assert "counts until it is decided on the page (1)" in before
    assert f"{NAMES[0]}: ok was told before, and the file says dent" in before
    assert there.desk.standing(4) is None
    assert there.desk.progress("eva#1").conflicts == [0]
