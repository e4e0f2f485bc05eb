"""The simulated oracle of a study: knows all labels, and tells a session those that it asks for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coilal.active.labels import as_labels
from coilal.active.session import Session
from coilal.common.types import IntArray


class Oracle:
    """Stands for the annotator, and answers at once, without error.

    Args:
        values: class indices (N,) or 0/1 labels (N, L), row i for dataset-global id i; below 0 where an image
            has no label.
        names: of the classes or labels, by index.
    """

    def __init__(self, values: NDArray[np.int64], names: Sequence[str]) -> None:
        self._values = values
        self._names = names

    def answer(self, session: Session, number: int | None = None) -> None:
        """Tell the session the labels of what is pending.

        Args:
            session: asks.
            number: of the batch that is answered; None for all that is pending.

        Raises:
            ValueError: an image has no label.
        """
        ids = session.pending if number is None else session.pending_of(number)
        if len(ids):
            session.tell(dict(zip(ids.tolist(), as_labels(self._labels(ids), self._names), strict=True)))

    def _labels(self, ids: IntArray) -> NDArray[np.int64]:
        values = self._values[ids]
        missing = (values < 0).reshape(len(ids), -1).any(axis=1)
        if missing.any():
            raise ValueError(f"the image with id {ids[missing][0]} has no label")
        return values
