from __future__ import annotations

import pytest

from coilal.data.given_split import part_named, read_split

OFF = "data.source.split_column=null"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        *(("pool", "pool"), ("train", "pool"), ("Training", "pool")),
        *(("validation", "validation"), ("val", "validation"), ("VALID", "validation"), ("dev", "validation")),
        *(("test", "test"), (" Test ", "test"), ("tests", ""), ("", ""), ("0", "")),
    ],
)
def test_names_of_parts(text: str, part: str) -> None:
    assert part_named(text) == part


def test_parts_are_read_and_other_names_told() -> None:
    split = read_split(["Train", "val", "test"], ["1", "2", "3"], ["a", "b", "c"], "column x", OFF)
    assert split.parts == ("pool", "validation", "test")
    assert split.problems == ()
    (note,) = split.notes
    assert "the one that column x gives (Train means pool, val means validation): nothing is drawn" in note
    assert f"({OFF} draws one)" in note


def test_what_names_no_part_is_listed_and_tears_no_group() -> None:
    split = read_split(["pool", "", "spare"], ["row 1", "row 2", "row 3"], ["a", "a", "a"], "column x", OFF)
    (problem,) = split.problems
    assert problem.places == ("row 2: ''", "row 3: 'spare'")
    assert "column x gives the split" in problem.kind


def test_groups_in_two_parts_are_refused() -> None:
    split = read_split(["pool", "train", "test", "test"], list("1234"), ["a", "b", "b", "c"], "column x", OFF)
    (problem,) = split.problems
    assert problem.places == ("b: pool, test",)
