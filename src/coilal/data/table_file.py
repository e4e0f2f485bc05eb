"""Reading a table file as text: encoding, separator and shape are checked before any column is looked at."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import pandas as pd

from coilal.types import DataError, Problem

_SEPARATORS = {";": "';'", "\t": r"'\t'", "|": "'|'"}
"""Other separators that tables have, and how each is written on the command line."""


def load_table(path: Path, separator: str = ",") -> pd.DataFrame:
    """Return a CSV as text, without surrounding blanks; row i of the index is line i + 2 of the file.

    Empty lines are left out.

    Raises:
        DataError: not a table, or one without rows.
    """
    text = _text(path)
    _check_separator(path, text, separator)
    try:
        with warnings.catch_warnings():
            # Rows with more fields than the header would lose them with no more than a warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                io.StringIO(text),
                sep=separator,
                dtype=str,
                keep_default_na=False,
                index_col=False,
                skip_blank_lines=False,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise DataError([Problem(f"the table {path} cannot be read as CSV: {error}")]) from error
    except pd.errors.EmptyDataError:
        raise DataError([Problem(f"the table {path} is empty")]) from None
    table = table.fillna("").apply(lambda column: column.str.strip())
    filled: pd.DataFrame = table[(table != "").any(axis=1)]
    if filled.empty:
        raise DataError([Problem(f"the table {path} has no rows; its columns are {', '.join(table.columns)}")])
    return filled


def _text(path: Path) -> str:
    """Return the content of a file in UTF-8, with or without a byte-order mark."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError([Problem(f"the table {path} cannot be read: {error.strerror}")]) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problem = (
            f"the table {path} is not in UTF-8 (byte 0x{error.object[error.start]:02x} in line {line}); save it as "
            "UTF-8 (in Excel: CSV UTF-8), or convert it: iconv -f WINDOWS-1252 -t UTF-8 TABLE > NEW"
        )
        raise DataError([Problem(problem)]) from error


def _check_separator(path: Path, text: str, separator: str) -> None:
    """Refuse a table whose header has none of the separator, but another one."""
    header = text.partition("\n")[0]
    found = next((other for other in _SEPARATORS if other in header), None)
    if separator in header or found is None:
        return
    shown = "a tab" if found == "\t" else f"`{found}`"
    kind = (
        f"the table {path} looks as if {shown} stood between its columns, not `{separator}`; "
        f'set "data.source.separator={_SEPARATORS[found]}" (with both kinds of quotes)'
    )
    raise DataError([Problem(kind)])
