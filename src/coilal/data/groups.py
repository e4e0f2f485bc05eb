"""Groups (coils) of images, taken from their file names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from coilal.common.types import Problem, UserError


def groups_from_names(
    names: Sequence[str], places: Sequence[str], pattern: str | None, in_table: bool = True
) -> tuple[tuple[str, ...], str, list[Problem]]:
    """Return the group of each image, a note of how it was found, and the names that do not match.

    Args:
        names: file names (N), with or without folders.
        places: where each stands, for the problem (N).
        pattern: regular expression, found anywhere in the name without folders; its first group is the
            image's group. None: each image is a group of its own.
        in_table: whether a column could hold the groups instead.

    Raises:
        UserError: a pattern that is no regular expression or has no group.
    """
    if pattern is None:
        guess = likely_pattern(names)
        looks = f"; '{guess[0]}' would find {guess[1]} groups in the names" if guess else ""
        return tuple(names), f"Every image is a group of its own (data.source.group_pattern{looks}).", []
    try:
        search = re.compile(pattern).search
    except re.error as error:
        raise UserError(f"data.source.group_pattern '{pattern}' is no regular expression: {error}.") from None
    if re.compile(pattern).groups < 1:
        raise UserError(f"data.source.group_pattern '{pattern}' has no group: put the coil's part in (…).")
    found = [search(PurePosixPath(name).name) for name in names]
    groups = tuple(match.group(1) or "" if match else "" for match in found)
    failed = tuple(place for place, group in zip(places, groups, strict=True) if not group)
    note = f"The group of an image is what '{pattern}' finds in its name."
    return groups, note, [_unmatched(names, failed, pattern, in_table)] if failed else []


def _unmatched(names: Sequence[str], failed: tuple[str, ...], pattern: str, in_table: bool) -> Problem:
    """Return the problem of names without a group; all of them are not listed, they are those of the table."""
    guess = likely_pattern(names)
    typed = "'^([^_]+)_'" if guess is None else f"'{guess[0]}'"
    finds = "" if guess is None else f" (in your names it finds {guess[1]} groups)"
    column = ", or the column that holds it, data.source.group_column=NAME" if in_table else ""
    kind = (
        f"file names that data.source.group_pattern '{pattern}' does not match; images of one part (coil) are a "
        "group, which never stands on two sides of the split. Mostly there are several images of a part: name its "
        f'place in the file names, as with "data.source.group_pattern={typed}"{finds}{column}; '
        "data.source.group_pattern=null only if no two images show the same part"
    )
    if len(failed) == len(names):
        return Problem(f"{kind}. None of {len(names)} names matches, the first is {failed[0]}")
    return Problem(kind, failed)


_GUESSES = ("^([^_]+)_", "^([^-]+)-", "^(.+)_", "^(.+)-", r"^([A-Za-z]+\d+)\D")
"""Where parts stand in file names: in front, or in front of the last piece."""


def likely_pattern(names: Sequence[str]) -> tuple[str, int] | None:
    """Return the pattern that groups file names, and the number of groups, if one is clear.

    It matches all names and gives at least three groups, of two images and more on the average. Patterns that give
    the same groups are one; if there are others, none is clear.
    """
    found: dict[tuple[int, ...], tuple[str, int]] = {}
    bare = [PurePosixPath(name).name for name in names]
    for pattern in _GUESSES:
        matches = [re.search(pattern, name) for name in bare]
        groups = [match.group(1) for match in matches if match]
        number = {group: index for index, group in enumerate(dict.fromkeys(groups))}
        if len(groups) == len(bare) and 3 <= len(number) <= len(bare) / 2:
            found.setdefault(tuple(number[group] for group in groups), (pattern, len(number)))
    return next(iter(found.values())) if len(found) == 1 else None
