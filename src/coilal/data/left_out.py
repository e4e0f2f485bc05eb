"""The value of an attribute whose images are the test part (``data.split.by``), and whether there can be one."""

from __future__ import annotations

from coilal.common.types import BoolArray, DataError, Problem, Samples
from coilal.data.division import Division
from coilal.data.spelling import spelled_alike


def ensure_whole(samples: Samples, attribute: str) -> None:
    """Refuse an attribute that cannot divide a data set.

    Raises:
        DataError: the images have no such attribute; or there are images without a value, groups with two, or
            values that differ in spelling alone.
    """
    if attribute not in samples.attributes:
        raise _refusal(
            f"data.split.by={attribute}: the images have no such attribute (they have "
            f"{', '.join(samples.attributes) or 'none'}). It is a column of the label table, or bobbin or lighting "
            "of rendered coils."
        )
    values = samples.attributes[attribute]
    of_group: dict[str, set[str]] = {}
    for group, value in zip(samples.groups, values, strict=True):
        if value:
            of_group.setdefault(group, set()).add(value)
    spelled: dict[str, set[str]] = {}
    for value in set(values) - {""}:
        spelled.setdefault(spelled_alike(value), set()).add(value)
    alike = tuple(", ".join(sorted(found)) for found in spelled.values() if len(found) > 1)
    without = tuple(name for name, value in zip(samples.names, values, strict=True) if not value)
    torn = tuple(f"{group}: {', '.join(sorted(found))}" for group, found in of_group.items() if len(found) > 1)
    problems = [
        Problem(f"images without a value of {attribute} (data.split.by)", without),
        Problem(f"groups with several values of {attribute} (data.split.by)", torn),
        Problem(f"values of {attribute} (data.split.by) that differ in spelling alone; write them alike", alike),
    ]
    if found := [problem for problem in problems if problem.places]:
        raise DataError(found)


def left_out(samples: Samples, division: Division) -> str:
    """Return the value of the attribute whose images are the test part.

    Raises:
        DataError: see ``ensure_whole``; or the attribute has fewer values.
    """
    assert division.by is not None
    ensure_whole(samples, division.by)
    known = sorted(set(samples.attributes[division.by]))
    if len(known) < 2:
        raise _refusal(
            f"data.split.by={division.by}: all images have one value of it ({known[0]}), and of two or more one "
            "is left out. Rendered coils have more with data.source.bobbins=3 or data.source.lightings=3."
        )
    if division.number >= len(known):
        raise _refusal(
            f"split={division.number}, and {division.by} has {len(known)} values ({', '.join(known)}), of "
            f"which each split leaves out one: there are splits 0 to {len(known) - 1}."
        )
    return known[division.number]


def ensure_left_out(samples: Samples, attribute: str, is_tested: BoolArray) -> None:
    """Refuse a test part, drawn before, that is no longer all images of one value of an attribute.

    Args:
        samples: groups and attributes (N images).
        attribute: what the split leaves a value out of.
        is_tested: whether an image stands in the test part (N).

    Raises:
        DataError: says how many groups of each value that is tested are tested, and how many are not.
    """
    tested: dict[str, set[str]] = {}
    others: dict[str, set[str]] = {}
    for group, value, is_in in zip(samples.groups, samples.attributes[attribute], is_tested.tolist(), strict=True):
        (tested if is_in else others).setdefault(value, set()).add(group)
    if len(tested) < 2 and not tested.keys() & others.keys():
        return
    kind = (
        f"values of {attribute} (data.split.by) that are tested, of which one is to be left out as a whole; they "
        "were changed since the study has drawn this split. Bring them back as they were, or give the changed data "
        "another study=…"
    )
    counts = (
        f"{value}: {len(groups)} groups of it are tested, {len(others.get(value, ()))} are not"
        for value, groups in sorted(tested.items())
    )
    raise DataError([Problem(kind, tuple(counts))])


def _refusal(what: str) -> DataError:
    return DataError([Problem(what)])
