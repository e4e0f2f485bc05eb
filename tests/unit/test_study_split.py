from __future__ import annotations

from pathlib import Path

import pytest

from coilal.data.stored_split import StoredSplit
from coilal.study_split import read_split, split_file, write_split
from coilal.types import UserError

SHARES = {"validation": 0.15, "test": 0.25}


def test_what_is_written_is_read_whatever_the_names(tmp_path: Path) -> None:
    rows = {'a, "b".png': ("Größe 1\n2", "pool"), "none": ("images", "test"), " x ": ("1.0", "validation")}
    write_split(tmp_path / "new" / "split.csv.gz", StoredSplit(rows))
    assert read_split(tmp_path / "new" / "split.csv.gz").rows == rows


def test_where_nothing_is_stored_there_is_an_empty_split(tmp_path: Path) -> None:
    assert not read_split(tmp_path / "none").rows


@pytest.mark.parametrize("content", [b"", b"no gzip", None])
def test_a_damaged_file_is_named_and_never_drawn_over(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "split.csv.gz"
    write_split(path, StoredSplit({f"{i}.png": ("g", "pool") for i in range(1000)}))
    path.write_bytes(path.read_bytes()[:-20] if content is None else content)
    with pytest.raises(UserError, match=f"{path}.*study=…"):
        read_split(path)


def test_a_part_that_there_is_not_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "split.csv.gz"
    write_split(path, StoredSplit({"a": ("g", "train")}))
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
