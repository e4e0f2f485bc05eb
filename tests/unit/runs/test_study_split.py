from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coilal.common.types import Samples, UserError
from coilal.data.splits import PARTS
from coilal.run_directory.data_record import as_csv
from coilal.runs.study_split import keep_split, read_split, split_file

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
