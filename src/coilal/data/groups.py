"""Groups (coils) of images, taken from their file names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from coilal.types import Problem, UserError


def groups_from_names(
    names: Sequence[str], places: Sequence[str], pattern: str | None
) -> tuple[tuple[str, ...], str, list[Problem]]:
    """Return the group of each image, a note of how it was found, and the names that do not match.

    Args:
        names: file names (N), with or without folders.
        places: where each stands, for the problem (N).
        pattern: regular expression, found anywhere in the name without folders; its first group is the
            image's group. None: each image is a group of its own.

    Raises:
        UserError: a pattern that is no regular expression or has no group.
    """
    if pattern is None:
        return tuple(names), "Every image is a group of its own (data.source.group_pattern).", []
    try:
        search = re.compile(pattern).search
    except re.error as error:
        raise UserError(f"data.source.group_pattern '{pattern}' is no regular expression: {error}.") from None
    if re.compile(pattern).groups < 1:
        raise UserError(f"data.source.group_pattern '{pattern}' has no group: put the coil's part in (…).")
    found = [search(PurePosixPath(name).name) for name in names]
    groups = tuple(match.group(1) or "" if match else "" for match in found)
    failed = tuple(place for place, group in zip(places, groups, strict=True) if not group)
    kind = (
        f"file names that data.source.group_pattern '{pattern}' does not match; set a pattern whose "
        "first group is the coil, or data.source.group_pattern=null if every image is a group of its own"
    )
    note = f"The group of an image is what '{pattern}' finds in its name."
    return groups, note, [Problem(kind, failed)] if failed else []
