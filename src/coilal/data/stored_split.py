"""The split that a study has drawn once: corrected labels move nothing, new groups are placed by a rule."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from coilal.common.types import DataError, IntArray, Problem, Samples
from coilal.data.division import Division
from coilal.data.left_out import ensure_left_out, ensure_whole
from coilal.data.splits import PARTS, draw_parts

ASIDE = "aside"
"""What stands in no part: further views of a group that is measured with, which are neither learnt from nor asked
for."""
STORED_PARTS = (*PARTS, ASIDE)
"""What a stored split can say of an image."""
AUDIT_GROUPS = 10
"""Groups that an audit set shows at least, where a third of all are as many: fewer say little about others."""


@dataclass(frozen=True)
class StoredSplit:
    """The parts, by name, that images and groups have been given.

    Attributes:
        rows: group and part of each image, by its name.
    """

    rows: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @cached_property
    def groups(self) -> Mapping[str, str]:
        """The part of each group."""
        return dict(self.rows.values())

    def parts_of(self, group: str, images: Iterable[str]) -> set[str]:
        """Return the parts that a group, or an image that it has now, was given; none for a new group."""
        given = {self.rows[name][1] for name in images if name in self.rows}
        given |= {self.groups[group]} if group in self.groups else set()
        return {"test" if part == ASIDE else part for part in given}

    def extended(self, samples: Samples, part: IntArray) -> StoredSplit:
        """Return a stored split that knows these images and groups, too; what it knew stays."""
        rows = zip(samples.groups, (STORED_PARTS[number] for number in part.tolist()), strict=True)
        return StoredSplit(dict(zip(samples.names, rows, strict=True)) | dict(self.rows))


@dataclass(frozen=True)
class Placed:
    """Where the images of a data set stand.

    Attributes:
        part: part of each image (N), a place in ``STORED_PARTS``.
        is_stored: whether a stored split said so.
        adds: whether there are images that the stored split does not know.
        note: that the split is a stored one, and what is new against it, in one sentence, or "".
    """

    part: IntArray
    is_stored: bool
    adds: bool
    note: str


def place(samples: Samples, division: Division, stored: StoredSplit) -> Placed:
    """Return the part of each image: the stored one, and for new groups one that depends on their name alone.

    A split that the data give counts before any that is drawn or stored. A data set of which the stored split knows
    neither an image nor a group is drawn as at first. New groups without a label stand in the pool.

    Args:
        samples: names and groups (N images).
        division: what is drawn.
        stored: what the study has drawn.

    Raises:
        DataError: a group whose images were given different parts, because the groups were changed; an attribute
            that was changed (``left_out.ensure_left_out``); see ``splits.draw_parts``, too.
    """
    unseen = _unseen(samples, division, stored)

    def of_new(group: str, is_labelled: bool) -> int:
        if group in unseen:
            return PARTS.index("test")
        return _part_of_new(group, division) if is_labelled else PARTS.index("pool")

    placed = _place(samples, stored, lambda: draw_parts(samples, division), of_new)
    if division.by is not None and placed.is_stored:
        ensure_left_out(samples, division.by, placed.part == PARTS.index("test"))
    return placed


def _unseen(samples: Samples, division: Division, stored: StoredSplit) -> set[str]:
    """Return the groups that have the value of the attribute that the stored split leaves out."""
    if division.by is None or samples.parts is not None:
        return set()
    ensure_whole(samples, division.by)
    values = samples.attributes[division.by]
    of_images = dict(zip(samples.names, values, strict=True))
    tested = {of_images[name] for name, (_, part) in stored.rows.items() if part == "test" and name in of_images}
    return {group for group, value in zip(samples.groups, values, strict=True) if value in tested}


def place_audit(samples: Samples, images: int, seed: int, stored: StoredSplit) -> Placed:
    """Return the part of each image where people label: an audit set, which is the test part, and the pool.

    The audit set is of groups drawn at random: so many that they have ``images`` images, and ``AUDIT_GROUPS`` or a
    third of all, whichever is less, because views of a group are alike and few groups say little about others. Of
    each it has equally many views (all, where the group has fewer), drawn at random; the other views stand aside,
    as nothing of a group that is measured with is learnt from. It never grows: new groups stand in the pool, new
    views of its groups aside. A split that the data give counts before it.

    Args:
        samples: names and groups (N images).
        images: of the audit set, at least; 0 for none.
        seed: of the draw.
        stored: what the session has drawn.

    Raises:
        DataError: a group whose images were given different parts, because the groups were changed.
    """
    placed = _place(samples, stored, lambda: _drawn_audit(samples, images, seed), lambda *_: PARTS.index("pool"))
    if not placed.is_stored:
        return placed
    measures = np.array([stored.rows.get(name, ("", ASIDE))[1] == "test" for name in samples.names], dtype=np.bool_)
    is_test = placed.part == PARTS.index("test")
    return replace(placed, part=np.where(is_test & ~measures, STORED_PARTS.index(ASIDE), placed.part))


def _drawn_audit(samples: Samples, images: int, seed: int) -> IntArray:
    names, group, sizes = np.unique(np.asarray(samples.groups), return_inverse=True, return_counts=True)
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(names))
    whole = int(np.count_nonzero(np.cumsum(sizes[order]) - sizes[order] < images)) if images else 0
    chosen = order[: max(whole, min(AUDIT_GROUPS, len(names) // 3, images))]
    views = _views_of_each(sizes[chosen], images)
    is_audited = np.isin(group, chosen)
    measures = is_audited & (_place_in_group(group, generator.permutation(len(group))) < views)
    return np.select(
        [measures, is_audited], [PARTS.index("test"), STORED_PARTS.index(ASIDE)], PARTS.index("pool")
    ).astype(np.int64)


def _views_of_each(sizes: IntArray, images: int) -> int:
    """Return how many views of each group, or all where it has fewer, make so many images."""
    views = 1
    while int(np.minimum(sizes, views).sum()) < min(images, int(sizes.sum())):
        views += 1
    return views


def _place_in_group(group: IntArray, rank: IntArray) -> IntArray:
    """Return the place of each image (N) among those of its group, from 0, in the order of their ranks."""
    order = np.lexsort((rank, group))
    first = np.searchsorted(group[order], group[order])
    place = np.empty(len(group), dtype=np.int64)
    place[order] = np.arange(len(group)) - first
    return place


def _place(
    samples: Samples, stored: StoredSplit, first: Callable[[], IntArray], of_new: Callable[[str, bool], int]
) -> Placed:
    """Return the part of each image: given, stored, drawn at first, or by the rule of new groups."""
    if samples.parts is not None:
        given_part = np.array([PARTS.index(part) for part in samples.parts], dtype=np.int64)
        return Placed(given_part, is_stored=False, adds=False, note="")
    members: dict[str, list[int]] = {}
    for index, group in enumerate(samples.groups):
        members.setdefault(group, []).append(index)
    given = {group: stored.parts_of(group, (samples.names[i] for i in ids)) for group, ids in members.items()}
    if not any(given.values()):
        return Placed(first(), is_stored=False, adds=True, note="")
    _check_whole(given)
    is_labelled = samples.is_labelled
    part = np.empty(len(samples), dtype=np.int64)
    new: list[tuple[str, int]] = []
    for group, ids in members.items():
        if given[group]:
            chosen = PARTS.index(next(iter(given[group])))
        else:
            chosen = of_new(group, bool(is_labelled[ids].any()))
            new.append((PARTS[chosen], len(ids)))
        part[ids] = chosen
    adds = any(name not in stored.rows for name in samples.names)
    return Placed(part, is_stored=True, adds=adds, note=_described(new))


def _part_of_new(group: str, division: Division) -> int:
    """Return a part drawn with the probability of its share, by a hash of the group's name.

    With folds it is tested in one of them, too.
    """
    if division.by is not None:
        return PARTS.index("validation" if _uniform(division.number, group) < division.validation else "pool")
    if division.folds is None:
        place = int(np.searchsorted(np.cumsum(division.shares), _uniform(division.number, group), side="right"))
        return min(place, len(PARTS) - 1)
    if int(division.folds * _uniform(division.dealing, group)) == division.fold:
        return PARTS.index("test")
    is_validation = _uniform(division.number, f"rest of {group}") < division.validation / (1 - division.tested)
    return PARTS.index("validation" if is_validation else "pool")


def _uniform(seed: int, text: str) -> float:
    """Return a number from 0 to below 1 by a hash."""
    digest = hashlib.sha256(f"{seed}:{text}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _check_whole(given: Mapping[str, set[str]]) -> None:
    torn = tuple(f"{group}: {', '.join(sorted(parts))}" for group, parts in given.items() if len(parts) > 1)
    if torn:
        kind = (
            "groups whose images stand in different parts of the split that this study has stored (their groups "
            "were changed since); set them back, or give the changed data another study=…"
        )
        raise DataError([Problem(kind, torn)])


def _described(new: list[tuple[str, int]]) -> str:
    kept = "The split is the one that this study has drawn (another study=… draws anew)"
    if not new:
        return f"{kept}."
    images = {part: sum(count for where, count in new if where == part) for part in PARTS}
    where = ", ".join(f"{count} to {part}" for part, count in images.items() if count)
    return f"{kept}; of {len(new)} new groups, images went {where}."
