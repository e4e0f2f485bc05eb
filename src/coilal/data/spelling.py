"""Names that differ in nothing but their spelling: case, blanks, Unicode, or how a number is written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal, get_args

import pandas as pd

from coilal.common.choices import chosen
from coilal.common.typed import as_argument
from coilal.common.types import Problem

Similar = Literal["error", "merge", "keep"]
"""What becomes of names that differ only in spelling: refused, one name, or different names."""

_NUMBER = re.compile(r"([+-]?)(\d*)[.,]?(\d*)(?:e([+-]?\d{1,9}))?", re.ASCII)
_READ_AS_NUMBER = re.compile(
    r"[+-]?((0|[1-9](_?\d)*)(?P<point>\.(\d(_?\d)*)?)?|(?P<bare_point>\.\d(_?\d)*))(?P<exponent>e[+-]?\d(_?\d)*)?",
    re.ASCII | re.IGNORECASE,
)
_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
"""What Unicode calls default ignorable, besides the categories Cf and Cc: joiners, fillers, variation selectors."""


def spelled_alike(text: str) -> str:
    """Return what all spellings of a name have in common: ``OK`` and ``ok``, 7 and 7.0 and 07, 1E2 and 100.

    Characters that cannot be seen do not count, nor do compatibility forms of Unicode (full-width letters).
    Numbers are compared digit by digit, however long they are; ``1_1`` is no number.
    """
    # Case folding may undo the normal form, so that it is made twice (Unicode's toNFKC_Casefold does so).
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen(text)).casefold())
    plain = "".join(folded.split())
    found = _NUMBER.fullmatch(plain)
    if found is None or not (found[2] or found[3]):
        return plain
    digits, exponent = (found[2] + found[3]).lstrip("0"), int(found[4] or 0) - len(found[3])
    significant = digits.rstrip("0")
    if not significant:
        return "number 0"
    sign = "-" if found[1] == "-" else ""
    return f"number {sign}{significant}e{exponent + len(digits) - len(significant)}"


def seen(text: str) -> str:
    """Return a text without surrounding blanks and without the characters that cannot be seen."""
    return "".join(char for char in text if char.isspace() or not _is_invisible(char)).strip()


def in_full(name: str) -> str:
    r"""Return a name with what looks like nothing, or like something else, as ``\u200b``."""
    composed = unicodedata.is_normalized("NFC", name)
    return "".join(
        char.encode("unicode_escape").decode()
        if _is_invisible(char)
        or unicodedata.normalize("NFKC", char) != char
        or (not composed and unicodedata.combining(char))
        else char
        for char in name
    )


def invisible_note(names: Sequence[str], what: str) -> list[str]:
    """Return the note on names with characters that cannot be seen, if there are any."""
    found = [f"'{in_full(name)}'" for name in names if any(map(_is_invisible, name))]
    if not found:
        return []
    some = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    return [f"{what.capitalize()} with characters that cannot be seen, which belong to the name: {some}."]


def _is_invisible(char: str) -> bool:
    return unicodedata.category(char) in ("Cf", "Cc") or _IGNORABLE.match(char) is not None


def meant(setting: object, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names that a setting means: the equal one, or what the command line reads as that number.

    The command line turns ``1`` and ``1_1`` into numbers and ``yes`` into a truth value; if no name reads as the
    number, one that is a spelling of it counts.
    """
    if isinstance(setting, str):
        return (setting,) if setting in names else ()
    if isinstance(setting, bool):
        return tuple(name for name in names if name.casefold() == str(setting).casefold())
    read = tuple(name for name in names if repr(_as_read(name)) == repr(setting))
    return read or tuple(name for name in names if spelled_alike(name) == spelled_alike(str(setting)))


def as_tuple(setting: object) -> tuple[object, ...]:
    """Return a setting that is a list, a single value or nothing as a tuple."""
    if setting is None:
        return ()
    return tuple(setting) if isinstance(setting, list | tuple) else (setting,)


def unclear(key: str, setting: object, names: Sequence[str]) -> str:
    """Return what to say of a number that may mean several names."""
    several = " or ".join(map(in_full, names))
    return f"{key}={setting} may mean {several}; write it as text, as in {as_argument(key, names[0])}"


def check_similar(value: str) -> Similar:
    """Return the setting ``similar_names``.

    Raises:
        UserError: it is none of its choices.
    """
    return chosen("data.source.similar_names", value, get_args(Similar))


def one_spelling(
    values: pd.Series, places: pd.Series, what: str, similar: Similar
) -> tuple[pd.Series, list[Problem], list[str]]:
    """Return names with what the setting makes of such as differ only in spelling, with problems and notes.

    Args:
        values: names (N), text; empty ones are passed over.
        places: where each stands (N).
        what: what they are, for people: classes, groups.
        similar: refuse them, give all the most frequent spelling, or leave them.
    """
    counts = values[values != ""].value_counts()  # the most frequent first
    several, told = alike(counts.index.tolist()), invisible_note(counts.index.tolist(), what)
    if not several:
        return values, [], told
    shown = [" and ".join(f"'{in_full(name)}' ({counts[name]})" for name in names) for names in several]
    some = "; ".join(shown[:5]) + (f"; and {len(shown) - 5} more" if len(shown) > 5 else "")
    if similar != "error":
        are = "one" if similar == "merge" else "different ones"
        note = f"{what.capitalize()} that differ only in spelling are {are} (data.source.similar_names): {some}."
        joined = {name: names[0] for names in several for name in names[1:]} if similar == "merge" else {}
        return values.map(lambda name: joined.get(name, name)), [], [note, *told]
    is_first = ~values.duplicated()
    first = dict(zip(values[is_first], places[is_first], strict=True))
    lines = tuple(
        " and ".join(f"'{in_full(name)}' ({counts[name]} times, first: {first[name]})" for name in names)
        for names in several
    )
    kind = (
        f"{what} that differ only in spelling; mend the data, or say with data.source.similar_names=merge that "
        "they are one, or with data.source.similar_names=keep that they are different"
    )
    return values, [Problem(kind, lines)], []


def alike(names: Sequence[str]) -> list[list[str]]:
    """Return the names that differ only in spelling, in lists of two and more."""
    spellings: dict[str, list[str]] = {}
    for name in names:
        spellings.setdefault(spelled_alike(name), []).append(name)
    return [found for found in spellings.values() if len(found) > 1]


def without_point(values: pd.Series) -> pd.Series:
    """Return whole numbers without decimals if all are written as 1.0, as tables with gaps are written."""
    is_whole = values.str.fullmatch(r"-?\d+\.0")
    return values.str.removesuffix(".0") if bool(is_whole.all()) else values


def in_order(names: Sequence[str]) -> list[str]:
    """Return names sorted: whole numbers by value, then the others as text."""

    def key(name: str) -> tuple[bool, int, str, str]:
        if not (name.isascii() and name.isdigit()):
            return True, 0, "", name
        digits = name.lstrip("0")
        return False, len(digits), digits, name

    return sorted(names, key=key)


def _as_read(name: str) -> float | int | None:
    """Return the number that the command line makes of a name, or None."""
    found = _READ_AS_NUMBER.fullmatch(name)
    if found is None or len(name) > 4000:  # Python's limit of digits
        return None
    is_float = found["point"] is not None or found["bare_point"] is not None or found["exponent"] is not None
    return float(name) if is_float else int(name)
