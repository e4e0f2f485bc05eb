"""Reading a table file as text: kind, encoding, separator and shape are checked before any column is looked at."""

from __future__ import annotations

import codecs
import csv
import io
import re
import warnings
from collections import Counter
from pathlib import Path

import pandas as pd

from coilal.common.types import DataError, Problem
from coilal.data.exports import refuse_other_files

_SEPARATORS = {";": "';'", "\t": r"'\t'", "|": "'|'"}
"""Other separators that tables have, and how each is written on the command line."""

_SEPARATOR_LINE = re.compile(r'"?sep=(?P<separator>.)"?[,;\t ]*\r?\n')
"""The line that Excel reads the separator from, and writes in front of the header."""


def load_table(path: Path, separator: str = ",") -> tuple[pd.DataFrame, list[str]]:
    """Return a CSV as text, without surrounding blanks, and notes; row i of the index is line i + 2 of the file.

    Empty lines are left out, and so are columns without a name and without a value.

    Raises:
        DataError: not a table, or one without rows.
    """
    text, notes = _text(path)
    text, separator, lines = _from_the_header_on(path, text, separator, notes)
    _check_comments(path, text, separator, lines)
    _check_separator(path, text, separator)
    blanks_behind = not separator.isspace()  # "a, b" as people type it
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
                skipinitialspace=blanks_behind,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        reason = _broken_row(text, separator, blanks_behind, lines)
        if reason is None:
            raise DataError([Problem(f"the table {path} cannot be read as CSV: {error}")]) from error
        raise DataError([Problem(f"the table {path} cannot be read as CSV: {reason}")]) from None
    except pd.errors.EmptyDataError:
        raise DataError([Problem(f"the table {path} is empty")]) from None
    if table.apply(lambda column: column.str.contains("\n", na=False)).any(axis=None):
        # A quote that does not end takes in the rows up to the next quote.
        reason = _broken_row(text, separator, blanks_behind, lines)
        if reason is not None:
            raise DataError([Problem(f"the table {path} cannot be read as CSV: {reason}")])
    table.columns = pd.Index(_header(path, text, separator, blanks_behind))
    table = table.fillna("").apply(lambda column: column.str.strip())
    table.index += lines
    filled: pd.DataFrame = table[(table != "").any(axis=1)]
    if filled.empty:
        raise DataError([Problem(f"the table {path} has no rows; its columns are {', '.join(table.columns)}")])
    nothing = [name for name in map(str, filled) if name.startswith("Unnamed: ") and (filled[name] == "").all()]
    return filled.drop(columns=nothing), notes


def _broken_row(text: str, separator: str, blanks_behind: bool, lines: int) -> str | None:
    """Return which line has more fields than the header, or a quote that does not end, and what to do.

    Args:
        text: the table from the header on.
        separator: what stands between the fields.
        blanks_behind: whether blanks behind a separator do not count.
        lines: lines of the file before the text.
    """
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=blanks_behind, strict=True
    )
    width, before = 0, 0
    try:
        for row in reader:
            width = width or len(row)
            if len(row) > width:
                return (
                    f"line {lines + before + 1} has {len(row)} fields, and the header has {width}; take out "
                    f"what is too much, or put a field that holds a `{separator}` between double quotes"
                )
            before = reader.line_num
    except csv.Error:
        return (
            f"line {lines + before + 1} has a double quote that begins a field and does not end it; take it out, "
            "or write the missing one"
        )
    return None


def _check_comments(path: Path, text: str, separator: str, lines: int) -> None:
    """Refuse comments above the header: lines that begin with # and have fewer fields than the first that does not.

    A header may begin so as well: ``#,image,label``.
    """
    comments, most = 0, 0
    for line in io.StringIO(text):
        used = next((other for other in (separator, *_SEPARATORS) if other in line), separator)
        fields = [field.strip() for field in next(csv.reader([line], delimiter=used), []) if field.strip()]
        if fields and (not fields[0].startswith("#") or fields[0] == "#"):
            break
        comments, most = comments + 1, max(most, len(fields))
    else:
        return
    if comments and most < len(fields):
        where = f"line {lines + 1}" if comments == 1 else f"lines {lines + 1} to {lines + comments}"
        kind = (
            f"the table {path} begins with comments (#) in {where}; take them out, so that the first line names "
            "the columns"
        )
        raise DataError([Problem(kind)])


def _header(path: Path, text: str, separator: str, blanks_behind: bool) -> list[str]:
    """Return the names of the columns; pandas would call a second ``a`` ``a.1``."""
    first = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=blanks_behind))
    names = [name.strip() or f"Unnamed: {position}" for position, name in enumerate(first)]
    twice = tuple(sorted(name for name, times in Counter(names).items() if times > 1))
    if twice:
        raise DataError([Problem(f"the table {path} has columns of the same name; rename one of each", twice)])
    return names


def _text(path: Path) -> tuple[str, list[str]]:
    """Return the content of a file in UTF-8, with or without a byte-order mark, or UTF-16 with one."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError([Problem(f"the table {path} cannot be read: {error.strerror}")]) from error
    refuse_other_files(path, content)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return content.decode("utf-16"), [f"The table {path} is read as UTF-16, as its first bytes say."]
        except UnicodeDecodeError as error:
            problem = f"the table {path} begins like UTF-16 and is not ({error.reason}); save it as UTF-8"
            raise DataError([Problem(problem)]) from error
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problem = (
            f"the table {path} is not in UTF-8 (byte 0x{error.object[error.start]:02x} in line {line}); save it as "
            "UTF-8 (in Excel: CSV UTF-8), or convert it: iconv -f WINDOWS-1252 -t UTF-8 TABLE > NEW"
        )
        raise DataError([Problem(problem)]) from error


def _from_the_header_on(path: Path, text: str, separator: str, notes: list[str]) -> tuple[str, str, int]:
    """Return the text from the header on, the separator, and the number of lines before it."""
    below = text.lstrip("\r\n")
    lines = text[: len(text) - len(below)].count("\n")
    found = _SEPARATOR_LINE.match(below)
    if found is None:
        return below, separator, lines
    says = found["separator"]
    if separator not in (says, ","):
        problem = f"the table {path} says sep={says} in its first line, and data.source.separator is '{separator}'"
        raise DataError([Problem(f"{problem}; take the line out, or the setting back")])
    notes.append(f"The columns are separated by `{says}`, as the first line of the table says (sep={says}).")
    return below[found.end() :], says, lines + 1


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
