"""Images that a session knows: their ids stay, whatever becomes of the folder, and copies of them are left out."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coilal.common.types import DecodedImages, ImageArray, IntArray, Samples, UserError
from coilal.evidence.words import counted

FEW = 5
"""Names in a sentence; of more the first ones."""
MOST_GONE = 1000
"""Images that are gone and kept in memory until the next start; where more are, a disk may be away."""


class Rows:
    """Rows of two arrays of images, the second one in memory, as one array; they are copied when they are read.

    Args:
        stored: uint8 (N, C, H, W).
        beside: uint8 (M, C, H, W).
        rows: (n,) of the first array, and from N on of the second.
    """

    def __init__(self, stored: ImageArray, beside: NDArray[np.uint8], rows: IntArray) -> None:
        self._stored, self._beside, self._rows = stored, beside, rows

    @property
    def shape(self) -> tuple[int, ...]:
        """Return (n, C, H, W)."""
        return (len(self._rows), *self._stored.shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        rows = np.atleast_1d(self._rows[index])
        is_beside = rows >= len(self._stored)
        found: NDArray[np.uint8] = np.array(self._stored[np.where(is_beside, 0, rows)])
        found[is_beside] = self._beside[rows[is_beside] - len(self._stored)]
        return found[0] if np.ndim(self._rows[index]) == 0 else found


def without_copies(
    samples: Samples, decoded: DecodedImages, known: Collection[str]
) -> tuple[Samples, DecodedImages, tuple[str, ...]]:
    """Return the images without those that are copies of others, pixel by pixel, and what is to be said of copies.

    Those that are known stay; where none of several is, the first one does.

    Args:
        samples: names (N).
        decoded: shows which are copies.
        known: names that the session has had before.
    """
    left_out, kept = _parted(samples.names, decoded.copies, known)
    notes = []
    if left_out:
        what = counted(len(left_out), "image is a copy", "images are copies")
        notes.append(
            f"{what} of others, pixel by pixel, and left out (a start with data.source.duplicates=keep takes them "
            f"in): {_pairs(samples, left_out)}"
        )
    if kept:
        what = counted(len(kept), "image that was there before shows", "images that were there before show")
        notes.append(f"{what} the same as another one now; nothing is left out for it: {_pairs(samples, kept)}")
    stay = np.setdiff1d(np.arange(len(samples)), list(left_out))
    nothing = np.empty((0, *decoded.pixels.shape[1:]), dtype=np.uint8)
    without = _rows_of(decoded, nothing, decoded.digests[:0], samples.names, stay)
    return samples.subset(stay), without, tuple(notes)


def in_place(
    samples: Samples, decoded: DecodedImages, before: tuple[Samples, DecodedImages]
) -> tuple[Samples, DecodedImages, tuple[int, ...]]:
    """Return the images with those that were there before first, and the ids of those that are gone.

    What is gone stays as it was: its group, and what it showed. What a table said of it is not known any more.

    Args:
        samples: names (N), as the folder is now.
        decoded: what they show.
        before: the same as they were.

    Raises:
        UserError: so much is gone, or differs, that the images cannot stay as they were.
    """
    earlier, shown = before
    row_of = {name: number for number, name in enumerate(samples.names)}
    gone = np.array([number for number, name in enumerate(earlier.names) if name not in row_of], dtype=np.int64)
    names = [earlier.names[number] for number in gone.tolist()]
    if len(gone) > MOST_GONE or (len(gone) and shown.format != decoded.format):
        raise UserError(
            f"{counted(len(gone), 'image is', 'images are')} gone: bring them back (is a disk away?), or start the "
            f"session anew without them: {few(names)}"
        )
    new = sorted(row_of.keys() - set(earlier.names))
    row_of |= {name: len(samples) + place for place, name in enumerate(names)}
    rows = np.array([row_of[name] for name in (*earlier.names, *new)], dtype=np.int64)
    together = _with(samples, earlier.subset(gone))
    pixels = np.asarray(shown.pixels[gone])
    found = _rows_of(decoded, pixels, shown.digests[gone], together.names, rows)
    return together.subset(rows), found, tuple(gone.tolist())


def few(names: Sequence[str]) -> str:
    """Return the first of some names, in a row."""
    return ", ".join(names[:FEW]) + (", …" if len(names) > FEW else "")


def _parted(
    names: Sequence[str], copies: Mapping[int, int], known: Collection[str]
) -> tuple[dict[int, int], dict[int, int]]:
    """Return the images that are left out as copies, and those that are copies and stay; each with the original."""
    alike: defaultdict[int, list[int]] = defaultdict(list)
    for copy, first in copies.items():
        alike[first].append(copy)
    left_out: dict[int, int] = {}
    kept: dict[int, int] = {}
    for first, others in alike.items():
        same = [first, *others]
        original, *further = [number for number in same if names[number] in known] or [first]
        kept |= dict.fromkeys(further, original)
        left_out |= dict.fromkeys(set(same) - {original, *further}, original)
    return left_out, kept


def _pairs(samples: Samples, same: Mapping[int, int]) -> str:
    names = samples.names
    return few([f"{names[number]} is {names[original]}" for number, original in same.items()])


def _rows_of(
    decoded: DecodedImages,
    pixels: NDArray[np.uint8],
    digests: NDArray[np.uint64],
    names: Sequence[str],
    rows: IntArray,
) -> DecodedImages:
    """Return some of the decoded images, and of others beside them.

    Args:
        decoded: the images (N).
        pixels: of the others (M, C, H, W).
        digests: of the others (M).
        names: of all (N + M).
        rows: (n,), of all.
    """
    if not len(pixels) and np.array_equal(rows, np.arange(len(decoded.digests))):
        return decoded
    chosen = np.concatenate([decoded.digests, digests])[rows]
    texts = json.dumps(
        [decoded.format, decoded.fingerprint if not decoded.format else "", [names[n] for n in rows]]
    )
    fingerprint = hashlib.sha256(texts.encode() + chosen.tobytes()).hexdigest()
    return replace(
        decoded, pixels=Rows(decoded.pixels, pixels, rows), fingerprint=fingerprint, digests=chosen, copies={}
    )


def _with(samples: Samples, others: Samples) -> Samples:
    """Return the images with others after them, of which no label is known."""
    count = len(others)
    return replace(
        samples,
        names=samples.names + others.names,
        groups=samples.groups + others.groups,
        labels=None if samples.labels is None else np.pad(samples.labels, ((0, count), (0, 0))),
        classes=None if samples.classes is None else np.pad(samples.classes, (0, count), constant_values=-1),
        unlabelled=(*samples.unlabelled, *range(len(samples), len(samples) + count)),
        parts=None if samples.parts is None else samples.parts + (others.parts or ("pool",) * count),
        attributes={
            name: values + tuple(others.attributes.get(name, ("",) * count))
            for name, values in samples.attributes.items()
        },
    )
