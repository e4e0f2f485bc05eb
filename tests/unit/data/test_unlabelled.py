from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from coilal.common.types import DataError, UserError
from coilal.data.columns import Columns
from coilal.data.unlabelled import check_unlabelled, unclear_rows, unlabelled_images, with_images

PLACES = pd.Series(["line 2", "line 3", "line 4"])
COLUMNS = Columns("image", "label", (), None, None, None, ())


def test_choices() -> None:
    assert check_unlabelled("pool") == "pool"
    with pytest.raises(UserError, match="choose drop, error or pool"):
        check_unlabelled("keep")


def test_only_rows_that_are_blank_and_read_as_0_are_unclear() -> None:
    cells = pd.DataFrame({"a": ["x", "", "NaN"], "b": ["", "", ""]})
    read = pd.DataFrame({"a": ["1", "0", "0"], "b": ["0", "0", "0"]})
    (problem,) = unclear_rows(cells, read, PLACES, {"nan", "-"})
    assert problem.places == ("line 3", "line 4")
    assert unclear_rows(cells, read.replace("0", ""), PLACES, {"nan"}) == []
    assert unclear_rows(cells.replace("", "0"), read, PLACES, set()) == []
    assert unclear_rows(cells.replace("", "-"), read, PLACES, {"-"}) == [], "a dash may mean 0"


def test_images_become_rows_of_the_pool_without_a_label() -> None:
    columns = Columns("image", "label", (), None, None, "split", ())
    table = pd.DataFrame({"image": ["a"], "label": ["ok"], "split": ["test"], "_place": ["line 2"]}, index=[7])
    longer, problems = with_images(table, ["b", "c"], columns)
    assert problems == []
    assert longer.to_numpy().tolist() == [
        ["a", "ok", "test", "line 2"],
        ["b", "", "pool", "b"],
        ["c", "", "pool", "c"],
    ]


def test_images_without_a_group_where_a_column_gives_it_are_refused() -> None:
    table = pd.DataFrame({"image": ["a"], "label": ["ok"], "coil": ["1"], "_place": ["line 2"]})
    same, (problem,) = with_images(table, ["b"], Columns("image", "label", (), "coil", None, None, ()))
    assert same is table
    assert problem.places == ("b",)
    assert "no group in column coil" in problem.kind


def test_images_without_a_table_have_groups_and_no_label(tmp_path: Path) -> None:
    for name in ("c1_1.png", "c1_2.png", "contact_sheet.png"):
        (tmp_path / name).touch()
    samples = unlabelled_images(tmp_path, r"^(c\d)_")
    assert (samples.names, samples.groups) == (("c1_1.png", "c1_2.png"), ("c1", "c1"))
    assert samples.unlabelled == (0, 1)
    with pytest.raises(DataError, match="does not match"):
        unlabelled_images(tmp_path, "^(x)_")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="neither a label table nor an image"):
        unlabelled_images(tmp_path / "empty", None)
