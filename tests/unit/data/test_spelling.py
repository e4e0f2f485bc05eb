from __future__ import annotations

import pandas as pd
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from coilal.common.types import UserError
from coilal.data.spelling import (
    Similar,
    alike,
    check_similar,
    in_full,
    in_order,
    meant,
    one_spelling,
    spelled_alike,
)

INVISIBLE = (
    "\u200b\ufeff\u00ad\u2060\u200c\u200d\u200e\u200f\u061c\u202a\u202c\u2066\u2069"  # Cf
    "\x00\x08\x1b\x7f\x85"  # Cc
    "\u034f\ufe0f\u3164"  # default ignorable: a joiner, a variation selector, a filler
)


@pytest.mark.parametrize(
    "names",
    [
        ("OK", "ok", " o k "),
        ("7", "7.0", "07", "+7", "7,00", "0.7e1", "70e-1"),
        ("100", "1E2", "1e+02"),
        ("0", "0.0", "00", "-0"),
        ("Lücke", "Lu\u0308cke", "LÜCKE"),
        ("-1.5", "-01,50"),
        ("9007199254740993", "9007199254740993.0"),
        *(("ok", f"o{char}k", f"{char}OK", f"ok{char}") for char in INVISIBLE),
        ("1", "\uff11", "1\u200b", "1.0\ufeff"),
        ("\u00fc", "u\u200b\u0308", "\uff35\u0308"),
        ("\u00b2", "2"),
    ],
)
def test_spellings_of_one_name(names: tuple[str, ...]) -> None:
    assert len({spelled_alike(name) for name in names}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1_1", "11"),
        ("9007199254740992", "9007199254740993"),
        ("1", "-1"),
        ("10", "1"),
        ("0.1", "1"),
        ("e2", "2"),
        (".", "0"),
        ("a_b", "ab"),
        ("1.2.3", "1.23"),
    ],
)
def test_names_that_differ(one: str, other: str) -> None:
    assert spelled_alike(one) != spelled_alike(other)


@pytest.mark.parametrize("char", INVISIBLE)
def test_a_character_that_cannot_be_seen_is_written_out(char: str) -> None:
    escaped = char.encode("unicode_escape").decode()
    assert in_full(f"ok{char}") == f"ok{escaped}"
    values, places = pd.Series(["ok", f"ok{char}"]), pd.Series(["line 2", "line 3"])
    _, (problem,), _ = one_spelling(values, places, "classes", "error")
    assert problem.places == (f"'ok' (1 times, first: line 2) and 'ok{escaped}' (1 times, first: line 3)",)
    alone, none, (note,) = one_spelling(values[1:], places[1:], "groups", "error")
    assert (alone.tolist(), none) == ([f"ok{char}"], [])
    assert note == f"Groups with characters that cannot be seen, which belong to the name: 'ok{escaped}'."


def test_names_are_written_out_only_where_they_look_like_others() -> None:
    assert in_full("\uff11") == r"\uff11"
    assert in_full("a\u00a0b") == r"a\xa0b"
    assert in_full("u\u0308") == r"u\u0308"
    assert in_full("\u00fc a 漢 ✓") == "\u00fc a 漢 ✓"


def test_one_spelling_counts_the_rows_and_names_the_first() -> None:
    values, places = pd.Series(["ok", "bent", "OK", "ok"]), pd.Series(["line 2", "line 3", "line 4", "line 5"])
    same, (problem,), _ = one_spelling(values, places, "classes", "error")
    assert problem.places == ("'ok' (2 times, first: line 2) and 'OK' (1 times, first: line 4)",)
    assert same.tolist() == values.tolist()
    merged, _, (note,) = one_spelling(values, places, "classes", "merge")
    assert merged.tolist() == ["ok", "bent", "ok", "ok"]
    assert "are one" in note
    kept, _, (note,) = one_spelling(values, places, "classes", "keep")
    assert kept.tolist() == values.tolist()
    assert "are different ones" in note
    assert one_spelling(values[:2], places[:2], "classes", "error")[1:] == ([], [])
    assert alike(["a", "b"]) == []


@pytest.mark.parametrize(
    ("similar", "says"), [("error", "'OK199' (3 times, first: line 399)"), ("merge", "and 195 more")]
)
def test_many_names_that_are_alike_need_no_pass_over_the_rows_each(similar: Similar, says: str) -> None:
    compared = 0

    class Name(str):
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)

    names = [Name(f"{spelling}{number}") for _ in range(3) for number in range(200) for spelling in ("ok", "OK")]
    values, places = pd.Series(names, dtype=object), pd.Series(f"line {row}" for row in range(len(names)))
    _, problems, notes = one_spelling(values, places, "classes", similar)
    assert says in (problems[0].places[-1] if problems else notes[0])
    assert compared < 30 * len(names)


@pytest.mark.parametrize(
    "name", ["0", "1", "01", "1_1", "1E2", "1.5", ".5", "1.", "-3", "yes", "True", "x", "1e400"]
)
def test_a_setting_means_the_name_that_was_typed(name: str) -> None:
    setting = OverridesParser.create().parse_override(f"key={name}").value()
    assert meant(setting, ["other", name]) == (name,)


def test_a_number_may_mean_two_names() -> None:
    assert meant(11, ["11", "1_1", "11.0"]) == ("11", "1_1")
    assert meant(1, ["01", "2"]) == ("01",), "no name reads as 1, but this is a spelling of it"
    assert meant(1, ["a"]) == ()


def test_numbers_are_sorted_by_value_however_they_are_written() -> None:
    assert in_order(["b", "10", "9", "²", "1" * 5000, "a"]) == ["9", "10", "1" * 5000, "a", "b", "²"]


def test_the_setting_is_one_of_three() -> None:
    with pytest.raises(UserError, match="choose error, merge or keep"):
        check_similar("drop")
