"""The simulated oracle of a study: knows all labels, and tells a session those that it asks for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coilal.active.label_noise import LabelNoise
from coilal.active.labels import Label, as_labels
from coilal.active.session import Session
from coilal.common.types import IntArray


class Oracle:
    """Stands for the annotator, and answers at once; without noise, rightly.

    Args:
        values: class indices (N,) or 0/1 labels (N, L), row i for dataset-global id i; below 0 where an image
            has no label.
        names: of the classes or labels, by index.
        noise: tells some labels wrongly.
        images: names of the images (N), which noise depends on.
    """

    def __init__(
        self,
        values: NDArray[np.int64],
        names: Sequence[str],
        noise: LabelNoise | None = None,
        images: Sequence[str] = (),
    ) -> None:
        self._values, self._names = values, names
        self._noise, self._images = noise, images

    @property
    def errs(self) -> bool:
        """Return whether it may tell a wrong label."""
        return self._noise is not None

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
            session.tell(dict(zip(ids.tolist(), as_labels(self.told(ids), self._names), strict=True)))

    def told(self, ids: IntArray) -> NDArray[np.int64]:
        """Return what it tells of images, class indices (n,) or 0/1 labels (n, L).

        Raises:
            ValueError: an image has no label.
        """
        values = self._values[ids]
        missing = (values < 0).any(axis=tuple(range(1, values.ndim)))
        if missing.any():
            raise ValueError(f"the image with id {ids[missing][0]} has no label")
        if self._noise is None:
            return values
        return self._noise.told(values, [self._images[number] for number in ids.tolist()])

    def true_label(self, image: int) -> Label:
        """Return the label that an image has, whatever is told of it."""
        return as_labels(self._values[[image]], self._names)[0]
