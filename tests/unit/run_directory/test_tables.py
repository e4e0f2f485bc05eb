from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from coilal.run_directory.tables import as_csv

CYCLES: list[dict[str, Any]] = [
    {"cycle": 0, "labelled": 16, "decode_s": 0.25, "test/map": math.nan, "fit_s": 1e-07},
    {"cycle": 1, "labelled": 40, "test/map": 0.1 + 0.2, "fit_s": 12345678.9, "device_memory_mb": 1.0},
    {"cycle": 2, "labelled": 64, "test/map": 1.0, "fit_s": math.inf, "device_memory_mb": 1 / 3},
]
QUERIES: list[dict[str, Any]] = [
    {"cycle": 0, "image": 'a "b", c.png', "score": None, "label": ""},
    {"cycle": 1, "image": "ü.png", "score": -1.5e-300, "label": "scratch+dent"},
    {"cycle": 1, "image": "two\nlines ", "score": 2.0, "label": "nan"},
]


@pytest.mark.parametrize("rows", [CYCLES, CYCLES[:1], QUERIES, QUERIES[:1]])
def test_a_table_is_what_pandas_writes(rows: list[dict[str, Any]]) -> None:
    assert as_csv(rows) == pd.DataFrame(rows).to_csv(index=False)


def test_columns_that_are_given_stand_in_their_order() -> None:
    columns = ["label", "image"]
    assert as_csv(QUERIES, columns) == pd.DataFrame(QUERIES, columns=columns).to_csv(index=False)
    assert as_csv([], columns) == "label,image\n"
