from __future__ import annotations

from collections.abc import Callable

import pytest
from omegaconf import DictConfig, OmegaConf

from coilal.common.types import UserError
from coilal.evidence.advice import Stake
from coilal.labelling.settings import KEPT, MAY_CHANGE, LabelSettings, other_settings, problem_of_name
from coilal.runs.settings import Settings

Compose = Callable[..., DictConfig]


def test_the_settings_of_a_session_are_read(composed: Compose) -> None:
    cfg = composed("label=session", "label.classes=[ok,7]", "data=coils", "data.root=x")
    label = LabelSettings.of(Settings.of(cfg))
    assert (label.classes, label.audit, label.host) == (("ok", "7"), 64, "127.0.0.1")


def test_what_an_error_costs_is_read_and_may_be_missing_in_earlier_sessions(composed: Compose) -> None:
    given = ("label.error=2", "label.decisions=500", "label.annotator_hour=30")
    cfg = composed("label=session", "data=coils", "data.root=x", *given)
    assert LabelSettings.of(Settings.of(cfg)).stake == Stake(0.05, 2, 500)
    OmegaConf.set_struct(cfg, False)
    for key in ("error", "decisions", "least_gain"):
        del cfg.label[key]
    assert LabelSettings.of(Settings.of(cfg)).stake == Stake()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("label.classes=[ok,OK]", "'OK' is there already, as ok"),
        ("label.classes=[unsure]", "is an answer without a label"),
        ("budget.labelled=[5,10]", "has no planned end"),
        ("oracle.error_rate=0.1", "people make errors of their own"),
        ("label.error=2", r"label\.error=2 is compared with what labels cost: give label\.annotator_hour"),
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


def test_of_each_setting_it_is_decided_whether_a_session_keeps_it(composed: Compose) -> None:
    assert {*KEPT, *MAY_CHANGE, "classes"} == set(composed("label=session").label)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("label.audit=0", ["label.audit: 64 → 0"]),
        ("label.reask=0.2", ["label.reask: 0.05 → 0.2"]),
        ("label.classes=[ok]", ["label.classes: [ok, dent] → [ok] (further ones can be added"]),
        ("label.classes=[dent,ok]", ["label.classes: [ok, dent] → [dent, ok] (further ones can be added"]),
        ("label.classes=[ok,dent,gap]", []),
        ("label.audit=64", []),
        ("label.show_guess=true", []),
        ("label.least_gain=0.1", []),
        ("label.error=2", []),
        ("label.decisions=500", []),
        ("label.annotator_hour=30", []),
        ("label.currency=USD", []),
        ("label.host=0.0.0.0", []),
        ("label.port=1", []),
        ("label.open=false", []),
    ],
)
def test_a_session_keeps_what_decides_what_is_asked_and_measured(
    composed: Compose, override: str, said: list[str]
) -> None:
    begun = composed("label=session", "label.classes=[ok,dent]")
    found = other_settings(begun.label, composed("label=session", "label.classes=[ok,dent]", override).label)
    assert len(found) == len(said)
    assert all(line.startswith(start) for line, start in zip(found, said, strict=True))


def test_what_earlier_versions_did_not_have_counts_as_the_same(composed: Compose) -> None:
    assert other_settings({"classes": None}, composed("label=session").label) == []
