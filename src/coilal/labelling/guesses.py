"""What the model takes each image for, as far as it was asked: kept for the page, never for training."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from coilal.active.labels import Prediction
from coilal.active.predictions import prediction, probabilities
from coilal.common.types import IntArray, Kind
from coilal.common.unreadable import UNREADABLE
from coilal.run_directory.files import write_atomically

FILE = "checkpoints/guesses.npz"
"""Where they are kept in a run directory."""


class Guesses:
    """Probabilities of the images that were scored last, by dataset-global id.

    Args:
        kind: of the task.
        images: number N of images.
    """

    def __init__(self, kind: Kind, images: int) -> None:
        self._kind = kind
        self._names: tuple[str, ...] = ()
        self._probabilities: NDArray[np.float32] = np.empty((images, 0), dtype=np.float32)
        self._known = np.zeros(images, dtype=np.bool_)
        self._lock = Lock()

    def grow(self, images: int) -> None:
        """Make room for images that are new, N in all; those so far keep their ids and guesses."""
        with self._lock:
            new = images - len(self._known)
            self._probabilities = np.pad(self._probabilities, ((0, new), (0, 0)))
            self._known = np.pad(self._known, (0, new))

    def note(self, ids: IntArray, logits: NDArray[np.float32], names: Sequence[str]) -> None:
        """Take down what a model says; guesses of images that it was not asked for stay.

        Args:
            ids: int64 (n,), dataset-global.
            logits: (n, C).
            names: of the classes or labels, by column.
        """
        found = probabilities(logits, self._kind)
        with self._lock:
            if tuple(names) != self._names:
                self._take_over(tuple(names))
            self._probabilities[ids], self._known[ids] = found, True

    def _take_over(self, names: tuple[str, ...]) -> None:
        """Go on with other classes; where there are only further ones, nothing has been taken for those so far."""
        before = self._probabilities
        self._probabilities = np.zeros((len(self._known), len(names)), dtype=np.float32)
        if names[: len(self._names)] == self._names:
            self._probabilities[:, : len(self._names)] = before
        else:
            self._known[:] = False
        self._names = names

    def save(self, path: Path, images: Sequence[str]) -> None:
        """Keep them in a file, by image name.

        Args:
            path: the file.
            images: names (N), by dataset-global id.

        Raises:
            UserError: the disk refuses it.
        """
        with self._lock:
            known = np.flatnonzero(self._known)
            buffer = io.BytesIO()
            np.savez(
                buffer,
                images=np.array([images[number] for number in known.tolist()], dtype=np.str_),
                names=np.array(self._names, dtype=np.str_),
                probabilities=self._probabilities[known],
            )
        write_atomically(path, buffer.getvalue())

    def load(self, path: Path, images: Sequence[str]) -> None:
        """Take up what was kept; a file that cannot be read is passed over, as the next cycle guesses anew."""
        try:
            with np.load(path, allow_pickle=False) as kept:
                names, of_images = tuple(kept["names"].tolist()), kept["images"].tolist()
                probabilities = kept["probabilities"].reshape(len(of_images), len(names))
        except UNREADABLE:
            return
        number_of = {name: number for number, name in enumerate(images)}
        there = [place for place, name in enumerate(of_images) if name in number_of]
        with self._lock:
            ids = np.array([number_of[of_images[place]] for place in there], dtype=np.int64)
            self._names = names
            self._probabilities = np.empty((len(self._known), len(names)), dtype=np.float32)
            self._known[:] = False
            self._probabilities[ids], self._known[ids] = probabilities[there], True

    def of(self, number: int) -> Prediction | None:
        """Return the guess for an image, None where the model was not asked."""
        with self._lock:
            if not self._known[number]:
                return None
            return prediction(self._probabilities[number], self._names, self._kind)
