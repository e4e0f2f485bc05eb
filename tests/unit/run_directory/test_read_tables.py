from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coilal.run_directory.health import DamagedError
from coilal.run_directory.store import read_asked, read_cycles, read_numbers, read_queries

CYCLES = "cycle,labelled,test/macro_f1,fit_s\n0,16,0.1234567890123456,1e-05\n1,32,,2.5\n"
QUERIES = 'cycle,rank,image,score,label\n0,0,a.png,,nan\n0,1,"b,1.png",0.25,gap+crossover\n1,0,c.png,-1.5,\n'


def test_the_quick_readers_read_what_pandas_reads(tmp_path: Path) -> None:
    (tmp_path / "cycles.csv").write_text(CYCLES)
    (tmp_path / "queries.csv").write_text(QUERIES)
    cycles = read_cycles(tmp_path).astype(np.float64)
    pd.testing.assert_frame_equal(read_numbers(tmp_path), cycles, check_exact=True, check_column_type=False)
    asked = read_asked(tmp_path)
    queries = read_queries(tmp_path)
    assert [*asked] == [*queries]
    assert asked["score"] == [None, 0.25, -1.5]
    for name in ("cycle", "rank", "image", "label"):
        assert asked[name] == queries[name].tolist()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "not enough values"),
        ("cycle,rank\n0,1\n", "it lacks the column "),
        ("cycle,labelled,rank,image,label\n0,1,2\n", "line 2 has not as many cells as the first one"),
        ("cycle,labelled,rank,image,label\n0,1,2,3,4\nx,1,x,3,4\n", "x"),
        ('cycle,labelled,rank,image,label\n"0,1,2,3,4\n', "unexpected end of data"),
    ],
)
def test_a_damaged_table_is_named(tmp_path: Path, content: str, why: str) -> None:
    for name, read in (("cycles.csv", read_numbers), ("queries.csv", read_asked)):
        (tmp_path / name).write_text(content)
        with pytest.raises(DamagedError, match=why) as raised:
            read(tmp_path)
        assert name in str(raised.value)


@pytest.mark.parametrize("name", ["cycles.csv", "queries.csv"])
def test_a_table_without_rows_has_its_columns(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("cycle,labelled,rank,image,label\n")
    read = read_numbers if name == "cycles.csv" else read_asked
    found = read(tmp_path)
    assert [*found] == ["cycle", "labelled", "rank", "image", "label"]
    assert all(len(found[column]) == 0 for column in found)
