"""What may lie in a run directory or a study."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from coilal.run_directory.files import read_status
from coilal.run_directory.health import ensure_sound
from coilal.run_directory.store import read_queries
from coilal.sweep.book import damaged_launches
from coilal.sweep.overview import Overview
from tests.inputs.case import Case

TITLE = "Run directories"
PLACE = 60

RUN = "study/multiclass/tiny/margin/split0/seed0"
STATUS = {"state": "running", "host": "here", "pid": 1, "start": "2026-01-01T00:00:00+00:00"}


def a_run(place: Path) -> Path:
    """Make a run that was cut off after a cycle."""
    folder = place / RUN
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text("seed: 0\n", encoding="utf-8")
    (folder / "status.json").write_text(json.dumps(STATUS), encoding="utf-8")
    query = {"cycle": 0, "rank": 0, "image": "ä.png", "score": None, "label": "gut"}
    state = {"cycles": [{"cycle": 0, "labelled": 1}], "queries": [query]}
    (folder / "checkpoints" / "state.json").write_text(json.dumps(state), encoding="utf-8")
    return folder


def with_file(name: str, content: str, force: bool = False) -> Callable[[Path], str]:
    def go_on(place: Path) -> str:
        folder = a_run(place)
        (folder / name).write_text(content, encoding="utf-8")
        ensure_sound(folder, force)
        return "sound"

    return go_on


def foreign(force: bool) -> Callable[[Path], str]:
    def begin(place: Path) -> str:
        folder = place / RUN
        folder.mkdir(parents=True)
        (folder / "thesis.docx").write_text("mine", encoding="utf-8")
        ensure_sound(folder, force)
        return (folder / "thesis.docx").read_text(encoding="utf-8")

    return begin


def a_file_for_a_folder(place: Path) -> str:
    (place / "study").write_text("notes", encoding="utf-8")
    ensure_sound(place / RUN, force=True)
    return "sound"


def a_folder_for_a_file(place: Path) -> str:
    folder = a_run(place)
    (folder / "cycles.csv").mkdir()
    ensure_sound(folder, force=True)
    return "sound"


def without_config(place: Path) -> str:
    folder = a_run(place)
    (folder / "config.yaml").unlink()
    ensure_sound(folder, force=False)
    return "sound"


def queries(place: Path) -> str:
    folder = a_run(place)
    (folder / "queries.csv").write_text("cycle,ra", encoding="utf-8")
    read_queries(folder)
    return "read"


def seen_by_status(place: Path) -> str:
    a_run(place)
    other = place / RUN.replace("seed0", "seed1")
    other.mkdir()
    (other / "status.json").write_text('{"state": "run', encoding="utf-8")
    found = {cell.cell.name: cell for cell in Overview.of(place / "study").cells}
    assert len(found) == 2
    cell = found["multiclass/tiny/margin/split0/seed1"]
    return f"{cell.state}: {cell.why}"


def grid_record(place: Path) -> str:
    a_run(place)
    folder = place / "study" / ".multirun"
    folder.mkdir()
    (folder / "grid-20260101-ab.json").write_text('{"time": []}', encoding="utf-8")
    assert len(Overview.of(place / "study").cells) == 1
    return damaged_launches(place / "study")[0]


def refused_then_read(place: Path) -> str:
    folder = a_run(place)
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    ensure_sound(folder, force=False)
    return str(read_status(folder)["state"])


CASES: list[Case] = [
    Case("`status.json` empty", "refused", "status.json is damaged (empty)", with_file("status.json", "")),
    Case("`status.json` cut off", "refused", "status.json is damaged (no JSON", with_file("status.json", '{"st')),
    Case("`status.json` with a list", "refused", "a list where an object must be", with_file("status.json", "[]")),
    Case("`config.yaml` missing beside a record", "refused", "config.yaml is damaged (missing", without_config),
    Case(
        "`checkpoints/state.json` cut off", "refused", "state.json is damaged (no JSON",
        with_file("checkpoints/state.json", '{"cycles": ['),
    ),
    Case(
        "`checkpoints/state.json` with other content", "refused", "it does not list cycles and queries",
        with_file("checkpoints/state.json", '{"cycles": [1], "queries": []}'),
    ),
    Case("any of these, with `force=true`", "read", "sound", with_file("status.json", "[]", force=True)),
    Case("`queries.csv` cut off", "refused", "queries.csv is damaged", queries),
    Case("a folder with somebody's files for a run", "refused", "no run has written (thesis.docx)", foreign(False)),
    Case("the same with `force=true`: they stay", "read", "mine", foreign(True)),
    Case("somebody's file in a run's folder", "read", "running", refused_then_read),
    Case("a file where the study's folder must be", "refused", "is a file, and the run needs", a_file_for_a_folder),
    Case("a folder where a file must be", "refused", "is a folder, and the run needs", a_folder_for_a_file),
    Case("a damaged run among others in `coilal.status`", "read, with a line", "damaged: ", seen_by_status),
    Case("a damaged record of a grid", "read, with a line", "remove it", grid_record),
]  # fmt: skip
