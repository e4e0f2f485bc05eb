from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from coilal.run_directory.health import SECTIONS, DamagedError, checked_status, read_config


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
