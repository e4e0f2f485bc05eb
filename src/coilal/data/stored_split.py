"""The split that a study has drawn once: corrected labels move nothing, new groups are placed by a rule."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from coilal.common.types import DataError, FloatArray, IntArray, Problem, Samples
from coilal.data.splits import PARTS, draw_parts, part_shares


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
        return given | ({self.groups[group]} if group in self.groups else set())

    def extended(self, samples: Samples, part: IntArray) -> StoredSplit:
        """Return a stored split that knows these images and groups, too; what it knew stays."""
        rows = zip(samples.groups, (PARTS[number] for number in part.tolist()), strict=True)
        return StoredSplit(dict(zip(samples.names, rows, strict=True)) | dict(self.rows))


@dataclass(frozen=True)
class Placed:
    """Where the images of a data set stand.

    Attributes:
        part: part of each image (N), a place in ``PARTS``.
        is_stored: whether a stored split said so.
        adds: whether there are images that the stored split does not know.
        note: that the split is a stored one, and what is new against it, in one sentence, or "".
    """

    part: IntArray
    is_stored: bool
    adds: bool
    note: str


def place(samples: Samples, fractions: Mapping[str, float], seed: int, stored: StoredSplit) -> Placed:
    """Return the part of each image: the stored one, and for new groups one that depends on their name alone.

    A split that the data give counts before any that is drawn or stored. A data set of which the stored split knows
    neither an image nor a group is drawn as at first. New groups without a label stand in the pool.

    Args:
        samples: names and groups (N images).
        fractions: shares of ``validation`` and ``test``.
        seed: of the split.
        stored: what the study has drawn.

    Raises:
        DataError: a group whose images were given different parts, because the groups were changed.
        UserError: shares that are no shares.
    """
    return _place(
        samples,
        stored,
        lambda: draw_parts(samples, fractions, seed),
        lambda group: _part_of_new(group, part_shares(fractions), seed),
    )


def place_audit(samples: Samples, images: int, seed: int, stored: StoredSplit) -> Placed:
    """Return the part of each image where people label: an audit set, which is the test part, and the pool.

    The audit set is of whole groups, drawn at random until it has so many images, and never grows: new groups stand
    in the pool. A split that the data give counts before it.

    Args:
        samples: names and groups (N images).
        images: of the audit set, at least; 0 for none.
        seed: of the draw.
        stored: what the session has drawn.

    Raises:
        DataError: a group whose images were given different parts, because the groups were changed.
    """
    return _place(samples, stored, lambda: _drawn_audit(samples, images, seed), lambda _: PARTS.index("pool"))


def _drawn_audit(samples: Samples, images: int, seed: int) -> IntArray:
    groups, number, sizes = np.unique(np.asarray(samples.groups), return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(groups))
    before = np.cumsum(sizes[order]) - sizes[order]
    audited = np.zeros(len(groups), dtype=np.bool_)
    audited[order[before < images]] = True
    return np.where(audited[number], PARTS.index("test"), PARTS.index("pool"))


def _place(
    samples: Samples, stored: StoredSplit, first: Callable[[], IntArray], of_new: Callable[[str], int]
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
            chosen = of_new(group) if is_labelled[ids].any() else PARTS.index("pool")
            new.append((PARTS[chosen], len(ids)))
        part[ids] = chosen
    adds = any(name not in stored.rows for name in samples.names)
    return Placed(part, is_stored=True, adds=adds, note=_described(new))


def _part_of_new(group: str, shares: FloatArray, seed: int) -> int:
    """Return a part drawn with the probability of its share, by a hash of the group's name."""
    digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
    uniform = int.from_bytes(digest[:8], "big") / 2**64
    return min(int(np.searchsorted(np.cumsum(shares), uniform, side="right")), len(PARTS) - 1)


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
