"""A split that the data give, in a column or as folders: then nothing is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from coilal.common.types import Problem
from coilal.data.spelling import in_full, seen

_PART_OF = {
    "pool": "pool",
    "train": "pool",
    "training": "pool",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "test": "test",
}
"""Names of parts, small, and the part that they mean."""


@dataclass(frozen=True)
class GivenSplit:
    """The part of each image, with problems and notes.

    Attributes:
        parts: pool, validation or test, "" where the data name none of them (N).
        problems: what is wrong with it.
        notes: how it was read, one sentence each.
    """

    parts: tuple[str, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def part_named(text: str) -> str:
    """Return the part that a text means, in upper or lower case, or ""."""
    return _PART_OF.get(seen(text).casefold(), "")


def read_split(
    texts: Sequence[str], places: Sequence[str], groups: Sequence[str], where: str, off: str
) -> GivenSplit:
    """Return the split that the data give.

    Args:
        texts: names of parts (N).
        places: where each stands, for problems (N).
        groups: of the images, which must not stand in two parts (N).
        where: what gives the split, for people: a column, folders.
        off: the setting with which it is drawn instead.
    """
    parts = tuple(part_named(text) for text in texts)
    wrong = tuple(
        f"{place}: '{in_full(text)}'" for text, place, part in zip(texts, places, parts, strict=True) if not part
    )
    kind = (
        f"{where} gives the split and is not pool, validation or test; mend it, or have the split drawn with {off}"
    )
    problems = [Problem(kind, wrong)] if wrong else []
    return GivenSplit(parts, (*problems, *_torn(groups, parts, where, off)), (_note(texts, where, off),))


def _torn(groups: Sequence[str], parts: Iterable[str], where: str, off: str) -> list[Problem]:
    found: dict[str, set[str]] = {}
    for group, part in zip(groups, parts, strict=True):
        found.setdefault(group, set()).update({part} - {""})
    torn = tuple(f"{group}: {', '.join(sorted(several))}" for group, several in found.items() if len(several) > 1)
    kind = (
        f"groups that stand in two parts of the split that {where} gives, so that what is tested was seen "
        f"in training; give each group one part, or have the split drawn with {off}"
    )
    return [Problem(kind, torn)] if torn else []


def _note(texts: Sequence[str], where: str, off: str) -> str:
    meant = {text: part_named(text) for text in dict.fromkeys(texts)}
    other = [f"{text} means {part}" for text, part in meant.items() if part and text != part]
    said = f" ({', '.join(other)})" if other else ""
    return (
        f"The split is the one that {where} gives{said}: nothing is drawn, and data.split and split do not "
        f"matter ({off} draws one)."
    )
