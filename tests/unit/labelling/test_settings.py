from __future__ import annotations

from collections.abc import Callable

import pytest
from omegaconf import DictConfig

from coilal.common.types import UserError
from coilal.labelling.settings import LabelSettings, problem_of_name
from coilal.runs.settings import Settings

Compose = Callable[..., DictConfig]


def test_the_settings_of_a_session_are_read(composed: Compose) -> None:
    cfg = composed("label=session", "label.classes=[ok,7]", "data=coils", "data.root=x")
    label = LabelSettings.of(Settings.of(cfg))
    assert (label.classes, label.audit, label.host) == (("ok", "7"), 64, "127.0.0.1")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("label.classes=[ok,OK]", "'OK' is there already, as ok"),
        ("label.classes=[unsure]", "is an answer without a label"),
        ("budget.labelled=[5,10]", "has no planned end"),
    ],
)
def test_settings_that_no_session_can_have_are_refused(composed: Compose, override: str, message: str) -> None:
    cfg = composed("label=session", "data=coils", "data.root=x", override)
    with pytest.raises(UserError, match=message):
        LabelSettings.of(Settings.of(cfg))


@pytest.mark.parametrize(
    ("override", "message"),
    [("label.audit=-1", "label.audit is -1"), ("label.port=70000", "label.port"), ("label.reask=1", "label.reask")],
)
def test_values_out_of_range_are_refused(composed: Compose, override: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Settings.of(composed("label=session", "data=coils", "data.root=x", override))


@pytest.mark.parametrize("name", ["dent", "Riss ü", "01", "none"])
def test_usual_names_are_names(name: str) -> None:
    assert problem_of_name(name, ("ok",)) == ""


@pytest.mark.parametrize("name", ["", " ", " ok2", "a\nb", "x" * 61, "Skip"])
def test_what_cannot_stand_on_a_button_is_no_name(name: str) -> None:
    assert problem_of_name(name, ("ok",))
