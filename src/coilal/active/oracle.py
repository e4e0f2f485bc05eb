"""The oracle: knows the labels of the pool, gives them on request and counts what it gave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coilal.common.types import IntArray


class Oracle:
    """Stands for the annotator: nothing else of a run hands out labels for training.

    Args:
        values: class indices (N,) or 0/1 labels (N, L), row i for dataset-global id i; below 0 where an image
            has no label.
    """

    def __init__(self, values: NDArray[np.int64]) -> None:
        self._values = values
        self._was_revealed = np.zeros(len(values), dtype=np.bool_)

    @property
    def revealed(self) -> int:
        """Number of different images whose label was asked for: what the labels cost."""
        return int(self._was_revealed.sum())

    def reveal(self, ids: IntArray) -> NDArray[np.int64]:
        """Return the labels of the images, (b,) or (b, L), in the order of ``ids``; asking again is free.

        Raises:
            ValueError: if an id is unknown or the image has no label.
        """
        outside = (ids < 0) | (ids >= len(self._values))
        if outside.any():
            raise ValueError(f"id {ids[outside][0]} is not one of the {len(self._values)} images")
        values = self._values[ids]  # integer indexing copies
        missing = (values < 0).reshape(len(ids), -1).any(axis=1)
        if missing.any():
            raise ValueError(f"the image with id {ids[missing][0]} has no label")
        self._was_revealed[ids] = True
        return values
