"""What the model takes each image for, as far as it was asked: kept for the page, never for training."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from coilal.active.labels import Label
from coilal.common.types import IntArray, Kind
from coilal.labelling.contract import Guess
from coilal.run_directory.files import write_atomically


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

    def note(self, ids: IntArray, logits: NDArray[np.float32], names: Sequence[str]) -> None:
        """Take down what a model says; guesses of images that it was not asked for stay.

        Args:
            ids: int64 (n,), dataset-global.
            logits: (n, C).
            names: of the classes or labels, by column.
        """
        probabilities = softmax(logits, axis=1) if self._kind == "multiclass" else expit(logits)
        with self._lock:
            if tuple(names) != self._names:
                self._names = tuple(names)
                self._probabilities = np.empty((len(self._known), len(names)), dtype=np.float32)
                self._known[:] = False
            self._probabilities[ids], self._known[ids] = probabilities, True

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
        write_atomically(path, buffer.getvalue(), durable=False)

    def load(self, path: Path, images: Sequence[str]) -> None:
        """Take up what was kept; a file that cannot be read is passed over, as the next cycle guesses anew."""
        try:
            with np.load(path, allow_pickle=False) as kept:
                names, of_images = tuple(kept["names"].tolist()), kept["images"].tolist()
                probabilities = kept["probabilities"].reshape(len(of_images), len(names))
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return
        number_of = {name: number for number, name in enumerate(images)}
        there = [place for place, name in enumerate(of_images) if name in number_of]
        with self._lock:
            ids = np.array([number_of[of_images[place]] for place in there], dtype=np.int64)
            self._names = names
            self._probabilities = np.empty((len(self._known), len(names)), dtype=np.float32)
            self._known[:] = False
            self._probabilities[ids], self._known[ids] = probabilities[there], True

    def of(self, number: int) -> Guess | None:
        """Return the guess for an image, None where the model was not asked."""
        with self._lock:
            if not self._known[number]:
                return None
            return guess(self._probabilities[number], self._names, self._kind)


def guess(probabilities: NDArray[np.float32], names: Sequence[str], kind: Kind) -> Guess:
    """Return the guess that probabilities (C,) of classes or labels amount to."""
    if kind == "multiclass":
        best = int(probabilities.argmax())
        return Guess(names[best], float(probabilities[best]))
    label: Label = tuple(name for name, value in zip(names, probabilities.tolist(), strict=True) if value > 0.5)
    return Guess(label, float(np.maximum(probabilities, 1 - probabilities).min()))
