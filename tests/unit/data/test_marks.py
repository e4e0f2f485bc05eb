from __future__ import annotations

import pandas as pd
import pytest

from coilal.data.marks import read_marks

NO_VALUE = ("nan", "-")


def read(*columns: list[str]) -> tuple[list[list[str]], str, str]:
    """Return the columns as read, the problems and the notes."""
    table = pd.DataFrame(dict(zip("abcdef", columns, strict=False)), dtype=str)
    marks, problems, notes = read_marks(table, NO_VALUE)
    return marks.T.to_numpy().tolist(), " ".join(p.describe() for p in problems), " ".join(notes)


@pytest.mark.parametrize(
    ("yes", "no", "said"),
    [
        ("1", "0", ""),
        ("1.0", "0", ""),
        ("1,0", "0,0", "1,0 is 1 and 0,0 is 0"),
        ("Yes", "NO", "yes is 1 and no is 0"),
        ("WAHR", "FALSCH", "wahr is 1 and falsch is 0"),
        ("y", "n", "y is 1 and n is 0"),
        ("J", "n", "j is 1 and n is 0"),
        ("+", "-", "+ is 1 and - is 0"),
        ("x", "-", "x is 1 and - is 0"),
        ("✓", "✗", "✓ is 1 and ✗ is 0"),
    ],
)
def test_words_for_one_and_zero(yes: str, no: str, said: str) -> None:
    assert read([yes, no, yes], [no, no, yes]) == (
        [["1", "0", "1"], ["0", "0", "1"]],
        "",
        f"Labels of a, b: {said}." if said else "",
    )


def test_a_column_that_is_always_no_is_read_like_the_others() -> None:
    marks, problems, _ = read(["+", "-"], ["-", "-"])
    assert (marks, problems) == ([["1", "0"], ["0", "0"]], "")


def test_columns_may_be_written_in_different_ways() -> None:
    marks, _, notes = read(["yes", "no"], ["1", "0"], ["x", ""])
    assert marks == [["1", "0"], ["1", "0"], ["1", "0"]]
    ways, cross, blank = "Labels of a: yes is 1 and no is 0.", "Labels of c: x is 1.", "A blank in c means 0;"
    assert notes == f"{ways} {cross} {blank} 1 rows have no label that is 1."


def test_a_blank_is_no_label_where_zeros_are_written() -> None:
    assert read(["1", "0", ""], ["0", "nan", ""])[0] == [["1", "0", ""], ["0", "", ""]]


def test_a_blank_is_zero_where_no_column_writes_one() -> None:
    marks, _, notes = read(["1", "", "nan"], ["", "", "1"], ["", "", ""])
    assert marks == [["1", "0", "0"], ["0", "0", "1"], ["0", "0", "0"]]
    assert notes == "A blank in a, b, c means 0; 1 rows have no label that is 1."


def test_nothing_in_all_columns_is_no_label() -> None:
    assert read(["", "nan"], ["-", ""])[0] == [["", ""], ["", ""]]


@pytest.mark.parametrize("texts", [["1", "yes"], ["x", "0"], ["yes", "ja"], ["true", "no"]])
def test_mixed_ways_are_refused(texts: list[str]) -> None:
    assert "more than one way" in read(texts, ["0", "0"])[1]


def test_what_cannot_be_read_stays_for_the_list_of_cells() -> None:
    marks, problems, _ = read(["1", "2"], ["1", ""])
    assert marks == [["1", "2"], ["1", ""]]
    assert problems == ""
