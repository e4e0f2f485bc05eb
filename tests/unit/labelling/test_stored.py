"""A session that has begun goes on with no more typed than where it lies."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from coilal.common.typed import quoted
from coilal.common.types import UserError
from coilal.labelling.stored import goes_on, settings_of

Composed = Callable[..., DictConfig]


@pytest.fixture
def begun(composed: Composed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory of a session, as its settings name it, in the folder of the command."""
    monkeypatch.chdir(tmp_path)
    config = composed("label=session", "study=line3", "strategy=margin", "label.port=8000", "seed=4")
    folder = Path("outputs/line3/multiclass/tiny/margin/split0/seed4")
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(config, resolve=True))
    (folder / "status.json").write_text(json.dumps({"labelling": True, "state": "paused"}))
    return folder


def test_the_study_alone_names_a_session(begun: Path) -> None:
    settings = settings_of(["study=line3"])
    assert (settings.folder(), settings.strategy["name"], settings.seed) == (begun, "margin", 4)
    assert settings.config["label"]["port"] == 8000


@pytest.mark.parametrize("study", ["line 3, left", "2026", "it's"])
def test_quotes_around_the_study_are_no_part_of_it(composed: Composed, begun: Path, study: str) -> None:
    config = composed("label=session", f"study={quoted(study)}", "strategy=margin", "seed=4")
    folder = Path("outputs", study, "multiclass/tiny/margin/split0/seed4")
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(config, resolve=True))
    (folder / "status.json").write_text(json.dumps({"labelling": True, "state": "paused"}))
    typed = [f"study={quoted(study)}", "outputs='outputs'"]
    assert goes_on(typed)
    assert settings_of(typed).folder() == folder


def test_how_the_page_is_reached_may_change(begun: Path) -> None:
    label = settings_of(["study=line3", "label.port=9000", "label.open=false"]).config["label"]
    assert (label["port"], label["open"]) == (9000, False)
    assert settings_of(["study=line3", "label.annotator_hour=30"]).config["label"]["annotator_hour"] == 30
    assert settings_of(["study=line3"]).config["label"]["audit"] == label["audit"]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["study=line3"], True),
        (["study=line3", "outputs=there", "label.host=0.0.0.0"], True),
        ([], False),
        (["label.port=1"], False),
        (["study=line3", "data=coils"], False),
        (["study=line3", "label.audit=8"], False),
        (["study=line3", "label.show_guess=true", "label.annotator_hour=30"], True),
    ],
)
def test_more_than_where_it_lies_is_a_session_of_its_own(typed: list[str], expected: bool) -> None:
    assert goes_on(typed) is expected


def test_what_is_not_there_or_lies_elsewhere_is_said(begun: Path) -> None:
    with pytest.raises(UserError, match="there is no labelling session in outputs/line4: begin one"):
        settings_of(["study=line4"])
    Path("outputs").rename("moved")
    with pytest.raises(UserError, match=r"was begun as outputs/line3/.* give all its settings"):
        settings_of(["study=line3", "outputs=moved"])
