from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from coilal.run_directory.files import write_status
from coilal.runs.same_division import tell_of_other_divisions
from coilal.runs.settings import Settings

Make = Callable[..., Settings]


@pytest.fixture
def make(composed: Callable[..., DictConfig], tmp_path: Path) -> Make:
    return lambda *given: Settings.of(composed(f"outputs={tmp_path}", "study=s", *given))


def begin(settings: Settings, **data: str) -> None:
    """Leave what a run that has begun leaves."""
    folder = settings.folder()
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(dict(settings.config))))
    write_status(folder, {"state": "done", "data": data})


def test_a_study_that_was_divided_in_another_way_is_told_once_with_the_way_out(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    begin(make("data.split.folds=5", "split=0"))
    launch = [make("split=1", f"seed={seed}") for seed in range(3)]
    tell_of_other_divisions(launch)
    (said,) = caplog.messages
    assert "split0/seed0" in said
    assert "data.split.folds: 5 → (not set)" in said
    assert "another study=…" in said
    caplog.clear()
    tell_of_other_divisions([make("data.split.folds=5", "split=1")])
    tell_of_other_divisions([make("split=1", "task=multilabel")])
    tell_of_other_divisions([replace(launch[0], study="another")])
    assert not caplog.messages


def test_what_is_replaced_or_has_a_given_split_says_nothing(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    begin(make("data.split.folds=5", "split=0"))
    tell_of_other_divisions([make("split=0", "force=true"), make("split=1")])
    assert not caplog.messages
    begin(make("data.split.folds=5", "split=2"), given_split="digest")
    tell_of_other_divisions([make("split=0", "force=true")])
    assert not caplog.messages
