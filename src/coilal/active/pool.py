"""The pool: which images are labelled, since when, and which are not."""

from __future__ import annotations

import numpy as np

from coilal.common.types import IntArray


class Pool:
    """The state of an active-learning run: images move from unlabelled to labelled, batch by batch.

    Args:
        ids: dataset-global ids of the pool, all unlabelled at first.

    Raises:
        ValueError: if an id occurs twice.
    """

    def __init__(self, ids: IntArray) -> None:
        self._ids = np.sort(np.asarray(ids, dtype=np.int64))
        if (np.diff(self._ids) == 0).any():
            raise ValueError(f"ids occur twice in the pool: {_few(self._ids[1:][np.diff(self._ids) == 0])}")
        self._is_labelled = np.zeros(len(self._ids), dtype=np.bool_)
        self._batches: list[IntArray] = []

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def labelled(self) -> IntArray:
        """Ids of the labelled images, ascending."""
        return self._ids[self._is_labelled]

    @property
    def unlabelled(self) -> IntArray:
        """Ids of the images that are not labelled, ascending."""
        return self._ids[~self._is_labelled]

    @property
    def batches(self) -> tuple[IntArray, ...]:
        """Ids of each batch in query order; its position is its cycle, the starting set is cycle 0."""
        return tuple(batch.copy() for batch in self._batches)

    def label(self, ids: IntArray) -> None:
        """Move a batch, in query order, to the labelled images.

        Raises:
            ValueError: if an id is unknown, occurs twice or is labelled already; then nothing is moved.
        """
        batch = np.array(ids, dtype=np.int64)
        places = np.searchsorted(self._ids, batch)
        known = np.isin(batch, self._ids)
        if not known.all():
            raise ValueError(f"ids that are not in the pool: {_few(batch[~known])}")
        values, counts = np.unique(batch, return_counts=True)
        if (counts > 1).any():
            raise ValueError(f"ids that occur twice in the batch: {_few(values[counts > 1])}")
        if self._is_labelled[places].any():
            raise ValueError(f"ids that are labelled already: {_few(batch[self._is_labelled[places]])}")
        self._is_labelled[places] = True
        self._batches.append(batch)


def _few(ids: IntArray) -> str:
    return ", ".join(str(number) for number in ids[:20]) + (f" … ({len(ids)})" if len(ids) > 20 else "")
