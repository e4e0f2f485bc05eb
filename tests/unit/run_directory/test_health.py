from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from coilal.run_directory.health import SECTIONS, DamagedError, checked_status, read_config, read_state


def test_settings_that_are_cut_off_are_damaged_though_they_are_yaml(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    whole = yaml.safe_dump({name: {"a": 1} for name in SECTIONS}, sort_keys=False)
    path.write_text(whole)
    assert read_config(path).keys() == set(SECTIONS)
    path.write_text(whole[: len(whole) // 2])
    assert isinstance(yaml.safe_load(path.read_text()), dict)
    with pytest.raises(DamagedError, match=rf"{path} is damaged .*lacks .*trainer"):
        read_config(path)


@pytest.mark.parametrize("change", [{"data": None}, {"weights": None}, {"state": 3}])
def test_a_finished_status_of_other_types_is_damaged(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "status.json"
    path.write_text(json.dumps({"state": "done", "data": {}, "weights": "w"} | change))
    with pytest.raises(DamagedError, match=f"{next(iter(change))} is"):
        checked_status(path)


@pytest.mark.parametrize("change", [{"data": []}, {"weights": 3}])
def test_a_status_of_other_types_is_damaged_before_its_run_is_done(
    tmp_path: Path, change: dict[str, object]
) -> None:
    path = tmp_path / "status.json"
    running = {"state": "running", "host": "h", "start": "2026-01-01T00:00:00+00:00", "data": {}, "weights": "w"}
    path.write_text(json.dumps(running))
    assert checked_status(path) == running
    path.write_text(json.dumps(running | change))
    with pytest.raises(DamagedError, match=f"{next(iter(change))} is"):
        checked_status(path)


@pytest.mark.parametrize(
    ("second", "message"),
    [({"labelled": 8, "fit_s": None}, "no number"), ({"labelled": 8, "fit_s": 1.0, "cycle": 2}, "not numbered")],
)
def test_cycles_that_no_run_has_recorded_are_damaged(
    tmp_path: Path, second: dict[str, object], message: str
) -> None:
    path = tmp_path / "state.json"
    first = {"cycle": 0, "labelled": 4, "fit_s": float("nan")}
    path.write_text(json.dumps({"cycles": [first, {"cycle": 1, "labelled": 8}]}))
    assert len(read_state(path)[0]) == 2
    path.write_text(json.dumps({"cycles": [first, {"cycle": 1} | second]}))
    with pytest.raises(DamagedError, match=message):
        read_state(path)
