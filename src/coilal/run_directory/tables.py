"""The tables of a run directory as text: the bytes that pandas would write, without its cost for so few rows."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def as_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = ()) -> str:
    """Return a table with a header.

    Args:
        rows: values by column; what a row lacks, None and NaN are empty cells.
        columns: in their order; by default those of all rows, in the order in which they first occur.
    """
    rows = list(rows)
    columns = columns or list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return float(value) if isinstance(value, float) else value  # numpy's own would be written as np.float64(…)
