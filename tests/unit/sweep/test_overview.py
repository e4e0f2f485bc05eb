from __future__ import annotations

import io
import json
import os
import socket
from pathlib import Path

import pytest
from rich.console import Console

from coilal.common.types import UserError
from coilal.run_directory.files import now
from coilal.sweep.book import Launch, Outcome, exact_now, write_launch, write_outcome
from coilal.sweep.cells import Cell
from coilal.sweep.overview import Overview, print_table
from tests.unit.sweep.test_states import run_directory

COMMAND = "python -m coilal.train -m 'strategy=margin,[odd]' seed=0,1"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A finished cell, a failed one, one that was never begun, and a run of its own that is cut off."""
    study = tmp_path / "outputs" / "mine"
    cells = [Cell(str(study), f"multiclass/tiny/margin/seed{seed}", (f"seed={seed}",), "") for seed in range(3)]
    run_directory(study, cells[0].name, state="done", end=now())
    run_directory(study, cells[1].name, state="failed", end=now(), error="RuntimeError: [out] of memory")
    write_outcome(cells[1], Outcome(exact_now(), error="RuntimeError: [out] of memory", tail="line"))
    write_launch(str(study), Launch(now(), COMMAND, os.getcwd(), tuple(cells)))
    run_directory(
        study, "multilabel/tiny/random/seed0", state="running", host=socket.gethostname(), pid=2**22 + 1,
        overrides=["task=multilabel", "study=mine"], slurm_job=None,
    )  # fmt: skip
    return study


def test_every_state_its_reason_and_the_commands_that_complete_the_grid(study: Path) -> None:
    overview = Overview.of(study)
    assert [cell.state for cell in overview.cells] == ["done", "failed", "stale", "missing"]
    assert set(overview.commands) == {COMMAND, "python -m coilal.train task=multilabel study=mine"}
    shown = io.StringIO()
    print_table(overview, Console(file=shown, width=200))
    text = shown.getvalue()
    assert "4 cells: 1 done, 1 failed, 1 stale, 1 missing" in text
    assert "RuntimeError: [out] of memory" in text, "brackets are no markup"
    assert COMMAND in text
    assert "is gone" in text


def test_json_holds_everything(study: Path) -> None:
    content = json.loads(json.dumps(Overview.of(study).as_json()))
    assert content["counts"] == {
        "done": 1,
        "running": 0,
        "paused": 0,
        "queued": 0,
        "failed": 1,
        "damaged": 0,
        "stale": 1,
        "missing": 1,
    }
    failed = next(cell for cell in content["cells"] if cell["state"] == "failed")
    assert (failed["task"], failed["model"], failed["strategy"], failed["seed"]) == (
        "multiclass",
        "tiny",
        "margin",
        1,
    )
    assert failed["why"] == "RuntimeError: [out] of memory"
    assert Path(failed["run"]) == study / "multiclass/tiny/margin/seed1"


def test_a_command_is_shown_with_the_folder_in_which_it_was_typed(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = os.getcwd()
    monkeypatch.chdir(study)
    assert f"cd {typed} && {COMMAND}" in Overview.of(study).commands


def test_a_study_that_does_not_exist_is_refused_with_those_that_do(study: Path) -> None:
    with pytest.raises(UserError, match="mine"):
        Overview.of(study.parent / "other")


@pytest.mark.parametrize(("tail", "told"), [("", True), ("line", False)])
def test_what_was_refused_is_put_right_before_the_command_is_typed_again(
    tmp_path: Path, tail: str, told: bool
) -> None:
    cell = Cell(str(tmp_path), "multiclass/tiny/margin/split3/seed0", (), "")
    write_launch(str(tmp_path), Launch(now(), COMMAND, os.getcwd(), (cell,)))
    write_outcome(cell, Outcome(exact_now(), error="split=3, and type has 3 values", tail=tail))
    shown = io.StringIO()
    print_table(Overview.of(tmp_path), Console(file=shown, width=200))
    assert ("has been put right" in shown.getvalue()) == told
