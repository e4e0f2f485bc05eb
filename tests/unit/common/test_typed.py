"""Text stays as it is typed, or the message names what can be typed, for that very text."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from coilal.common.typed import TEXTS, as_argument, as_typed, passed_over, quoted, shell, unquoted, unreadable
from coilal.runs.rules import RULES


def value(argument: str) -> object:
    """Return what Hydra reads, of a sweep all values."""
    override = OverridesParser.create().parse_override(argument)
    if override.is_sweep_override():
        return [getattr(item, "text", item) for item in override.value().list]
    return override.value()


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("study=2026_11_28", "2026_11_28"),
        ("study=007", "007"),
        ("study=1e3", "1e3"),
        ("study=1.50", "1.50"),
        ("study=true", "true"),
        ("study=nan", "nan"),
        ("study=20261128", 20261128),
        ("study='2026_11_28'", "2026_11_28"),
        ("study=mine", "mine"),
        ("study=[2026_11_28,mine,7]", ["2026_11_28", "mine", 7]),
        ("study=2026_11_28, 2026_11_29", ["2026_11_28", "2026_11_29"]),
        ("data.labels=null", None),
        ("data.root=2024", "2024"),
        ("data.source.good_class=01", "01"),
        ("data.source.good_class=[1_1,ok]", ["1_1", "ok"]),
        ("data.source.label_columns=[1,2]", ["1", "2"]),
        ("data.source.no_value=[-999,n.a.]", ["-999", "n.a."]),
        ("+hydra.launcher.partition=12", "12"),
        ("seed=007", "007"),
        ("seed=7", 7),
        ("budget.query=1_0", 10),
    ],
)
def test_text_is_what_is_typed_and_numbers_are_numbers(typed: str, read: object) -> None:
    (argument,) = as_typed([typed])
    assert value(argument) == read
    assert as_typed([argument]) == [argument], "a command that is recorded and typed again"


def test_settings_whose_rule_asks_for_text_are_text() -> None:
    asking = {key for key, rule in RULES.items() if rule.fits("a text") or rule.fits(["a text"])}
    assert {key for key in asking if not RULES[key].fits(7)} <= TEXTS


UGLY = [
    "Müller (neu)",
    "it's",
    "a=b",
    "#1",
    "a;b",
    "a&b",
    "[neu]x",
    "{x",
    'say "cheese"',
    "a'b\\",
    "(\\d+)_",
    "C:\\a#",
]


@pytest.mark.parametrize("text", [*UGLY, "100%#", "`ls`#", "$HOME#", "!#", "a, b)", " leading #"])
def test_the_advice_for_text_that_cannot_be_read_is_that_text(text: str) -> None:
    said = unreadable([f"data.root={text}"])
    assert said is not None
    typed = said.splitlines()[-1].partition(": ")[2]
    in_a_shell = subprocess.run(["bash", "-c", f"printf %s {typed}"], capture_output=True, text=True, check=True)
    assert value(in_a_shell.stdout) == text


def test_words_that_a_shell_took_apart_are_put_together() -> None:
    said = unreadable(["data=coils", "data.root=My", "new", "Folder", "seed=3"])
    assert said is not None
    assert shlex.split(said.partition(": ")[2]) == ["data.root='My new Folder'"]
    assert "'foo' is no setting" in str(unreadable(["seed=3", "foo"]))


def test_a_home_folder_is_named_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ä")
    assert "\"data.root='/home/ä/images'\"" in str(unreadable(["data.root=~/images"]))


def test_null_in_a_choice() -> None:
    said = unreadable(["cache.max_gb=choice(null,1)"])
    assert said is not None
    assert "cache.max_gb=null,1;" in said
    assert value("cache.max_gb=null,1") == [None, 1]


def test_what_can_be_read_needs_no_advice() -> None:
    assert unreadable(["-m", "seed=3", "~budget", "data.root=My Folder"]) is None


def test_what_does_not_count_is_said() -> None:
    assert passed_over(["seed=1", "budget.initial=4", "data=coils"]) == []
    assert passed_over(["seed=1", "-m", "seed=2,3"]) == ["seed is given 2 times; the last one counts, seed=2,3"]
    (line,) = passed_over(["budget.labelled=[8,16]", "budget.query=4"])
    assert "budget.query does not count" in line


@pytest.mark.parametrize("text", ["it's", "a", "", "C:\\", "2026_11_28"])
def test_quotes_come_off_again(text: str) -> None:
    assert unquoted(quoted(text)) == text


@pytest.mark.parametrize("text", ["'", "'a", "a'b'", "mine"])
def test_other_text_stays(text: str) -> None:
    assert unquoted(text) == text


def test_plain_arguments_need_no_quotes_in_a_shell() -> None:
    assert shell("budget.query=3") == "budget.query=3"
    assert shell("study=[a,b]") == '"study=[a,b]"'


@pytest.mark.parametrize(
    "name",
    ["11", "it's", 'say "so"', "a b", "$x", "Lücke", "a,b", "[/b]", "back\\", "no!", "a\nb", "`x`", "~/x", ""],
)
def test_a_quoted_name_is_typed_as_it_stands(name: str) -> None:
    typed = subprocess.run(
        ["bash", "-c", f"printf %s {as_argument('key', name)}"], capture_output=True, check=True, encoding="utf-8"
    ).stdout
    assert OverridesParser.create().parse_override(typed).value() == name
