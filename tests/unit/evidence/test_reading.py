from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from coilal.evidence.reading import Run, read_runs
from coilal.run_directory.files import run_folders
from coilal.run_directory.identity import flatten
from tests.studies import Simulated, write_study

ODD = {
    "note": "a text: with a colon\nand a second line, # no comment",
    "empty": {},
    "items": ["- a", {"b": [1, None]}],
    "long": "word " * 60,
    "nested.deep.value": 1.0e-5,
}


def settings(folder: Path) -> dict[str, object]:
    (run,) = read_runs([folder], "test/macro_f1")
    assert isinstance(run, Run), run
    return dict(run.config)


def test_settings_are_those_that_yaml_reads_whatever_they_hold(tmp_path: Path) -> None:
    write_study(tmp_path / "s", Simulated({"random": 0.0}, seeds=(0, 1), overrides=ODD))
    for folder in run_folders(tmp_path / "s"):
        expected = flatten(yaml.safe_load((folder / "config.yaml").read_text()))
        assert settings(folder) == expected
        assert expected["note"] == ODD["note"]


@pytest.mark.parametrize("text", ["\nseed: [", "\njust text\n", "\n- a\n"])
def test_settings_that_are_no_yaml_are_named(tmp_path: Path, text: str) -> None:
    write_study(tmp_path / "s", Simulated({"random": 0.0}, seeds=(0,)))
    (folder,) = run_folders(tmp_path / "s")
    with (folder / "config.yaml").open("a") as stream:
        stream.write(text)
    (found,) = read_runs([folder], "test/macro_f1")
    assert not isinstance(found, Run)
    assert "config.yaml is damaged" in found.what
