from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coilal.common.types import DataError, Samples, UserError
from coilal.data.division import Division
from coilal.data.splits import PARTS
from coilal.run_directory.data_record import as_csv
from coilal.runs.study_split import ensure_apart, files_apart, keep_split, read_split, split_file

SHARES = {"validation": 0.15, "test": 0.25}
Rows = dict[str, tuple[str, str]]


def keep(path: Path, rows: Rows) -> None:
    samples = Samples(tuple(rows), tuple(group for group, _ in rows.values()))
    keep_split(path, samples, np.array([PARTS.index(part) for _, part in rows.values()]))


def test_what_is_written_is_read_whatever_the_names(tmp_path: Path) -> None:
    rows: Rows = {'a, "b".png': ("Größe 1\n2", "pool"), "none": ("images", "test"), " x ": ("1.0", "validation")}
    keep(tmp_path / "new" / "split.csv.gz", rows)
    assert read_split(tmp_path / "new" / "split.csv.gz").rows == rows


def test_where_nothing_is_stored_there_is_an_empty_split(tmp_path: Path) -> None:
    assert not read_split(tmp_path / "none").rows


@pytest.mark.parametrize("content", [b"", b"no gzip", None])
def test_a_damaged_file_is_named_and_never_drawn_over(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "split.csv.gz"
    keep(path, {f"{i}.png": ("g", "pool") for i in range(1000)})
    path.write_bytes(path.read_bytes()[:-20] if content is None else content)
    with pytest.raises(UserError, match=f"{path}.*study=…"):
        read_split(path)


def test_whatever_bit_is_turned_over_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "split.csv.gz"
    keep(path, {f"{i}.png": (f"g{i}", "test") for i in range(60)})
    sound = path.read_bytes()
    samples = Samples(("x.png",), ("new",))
    part = np.array([PARTS.index("test")])
    named = 0
    for place in range(10, len(sound)):  # after the header, whose time of change is not looked at
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 16]) + sound[place + 1 :])
        for read in (lambda: read_split(path), lambda: ensure_apart({1: path}, folds(), samples, part)):
            try:
                read()
            except UserError as error:
                named += "split.csv.gz" in str(error) and "cannot be read" in str(error)
    assert named >= 2 * (len(sound) - 11), "the last byte of the content has bits that say nothing"


def folds() -> Division:
    return Division(0.1, 0.25, folds=4)


def test_what_is_known_stays_and_what_is_new_is_added(tmp_path: Path) -> None:
    path = tmp_path / "split.csv.gz"
    keep(path, {"a": ("1", "pool"), "b": ("2", "test")})
    keep(path, {"b": ("2", "pool"), "c": ("3", "validation")})
    assert read_split(path).rows == {"a": ("1", "pool"), "b": ("2", "test"), "c": ("3", "validation")}
    before = path.stat().st_mtime_ns
    keep(path, {"c": ("3", "validation")})
    assert path.stat().st_mtime_ns == before


def test_a_part_that_there_is_not_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "split.csv.gz"
    path.write_bytes(as_csv(("image", "group", "part"), [("a", "g", "train")]))
    with pytest.raises(UserError, match="train"):
        read_split(path)


def test_shares_seed_and_data_set_have_splits_of_their_own(tmp_path: Path) -> None:
    files = {
        split_file(tmp_path, SHARES, 0, {}),
        split_file(tmp_path, {**SHARES, "test": 0.3}, 0, {}),
        split_file(tmp_path, SHARES, 1, {}),
        split_file(tmp_path, SHARES, 0, {"coils": 40}),
    }
    assert len(files) == 4
    assert split_file(tmp_path, SHARES, 0, {}) in files


def test_splits_that_test_each_group_once_know_the_files_of_one_another(tmp_path: Path) -> None:
    folds = {**SHARES, "folds": 3}
    found = files_apart(tmp_path, folds, Division.of(folds, 4), {})
    assert found == {number: split_file(tmp_path, folds, number, {}) for number in (3, 5)}
    assert not files_apart(tmp_path, SHARES, Division.of(SHARES, 4), {})


@pytest.mark.parametrize(
    ("rows", "tested"),
    [
        ({"a": ("1", "test"), "b": ("2", "pool")}, ()),
        ({"a": ("1", "pool"), "b": ("2", "test")}, ("2: split 0",)),
        ({"b": ("second", "test")}, ("second: split 0",)),  # the same image, its group called otherwise
        ({"new": ("2", "test"), "c": ("3", "test")}, ("2: split 0",)),
        ({"c": ("3", "test")}, ()),
    ],
)
def test_a_group_is_tested_by_one_split_of_a_round(tmp_path: Path, rows: Rows, tested: tuple[str, ...]) -> None:
    stored = tmp_path / "split.csv.gz"
    keep(stored, {"a": ("1", "pool"), "b": ("2", "test")})
    samples = Samples(tuple(rows), tuple(group for group, _ in rows.values()))
    part = np.array([PARTS.index(part) for _, part in rows.values()])
    division = Division(0.15, 0.25, folds=3, number=1)
    files = {0: stored, 2: tmp_path / "not drawn yet"}
    if not tested:
        ensure_apart(files, division, samples, part)
        return
    with pytest.raises(DataError, match=r"split 1 would test, though split 0 .*another study=…") as refused:
        ensure_apart(files, division, samples, part)
    assert refused.value.problems[0].places == tested


def test_another_split_that_is_damaged_is_named(tmp_path: Path) -> None:
    (tmp_path / "split.csv.gz").write_bytes(b"no gzip")
    division = Division(0.15, 0.25, number=1, by="type")
    with pytest.raises(UserError, match=r"split\.csv\.gz.*cannot be read"):
        ensure_apart({0: tmp_path / "split.csv.gz"}, division, Samples(("a",), ("1",)), np.array([2]))
