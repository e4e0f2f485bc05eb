"""What the models of finished runs say of the test images: predictions.npz, after the last cycle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from coilal.common.types import FloatArray, IntArray, joined
from coilal.common.unreadable import UNREADABLE
from coilal.evidence.reading import Run

THRESHOLD = 0.5
"""A label of a multilabel task is predicted from this probability on."""


@dataclass(frozen=True)
class Predictions:
    """What a run's model says of its test images.

    Attributes:
        images: their names (n).
        targets: class indices (n), or 0/1 labels (n, C).
        probabilities: of each class or label (n, C).
        names: classes or labels (C).
    """

    images: tuple[str, ...]
    targets: IntArray
    probabilities: FloatArray
    names: tuple[str, ...]

    @property
    def exclusive(self) -> bool:
        """Return whether each image is of one class."""
        return self.targets.ndim == 1


def read(run: Run) -> Predictions | None:
    """Return the predictions of a run; None where they cannot be read, or there are no test images."""
    try:
        with np.load(run.folder / "predictions.npz") as stored:
            found = Predictions(
                tuple(stored["images"].tolist()),
                np.asarray(stored["targets"], dtype=np.int64),
                np.asarray(stored["probabilities"], dtype=np.float64),
                tuple(stored["names"].tolist()),
            )
    except UNREADABLE:
        return None
    return found if found.images else None


def confusion(runs: Iterable[Predictions]) -> FloatArray:
    """Return how many images of a class (row) were taken for another (column), mean over runs (C, C).

    Args:
        runs: predictions of classes, one or more.
    """
    counted = []
    for run in runs:
        size = len(run.names)
        pairs = run.targets * size + run.probabilities.argmax(axis=1)
        counted.append(np.bincount(pairs, minlength=size * size).reshape(size, size))
    return np.asarray(np.mean(counted, axis=0))


def label_errors(runs: Sequence[Predictions]) -> pd.DataFrame:
    """Return what was found and missed of each label, mean over runs, a row a label.

    Columns: ``label``; ``images`` with it, ``found`` and ``missed``; ``without`` it, and ``flagged`` of these.
    """
    rows = []
    for place, name in enumerate(runs[0].names):
        there = [run.targets[:, place] == 1 for run in runs]
        said = [run.probabilities[:, place] > THRESHOLD for run in runs]
        counts = {
            "images": [t.sum() for t in there],
            "found": [(t & s).sum() for t, s in zip(there, said, strict=True)],
            "missed": [(t & ~s).sum() for t, s in zip(there, said, strict=True)],
            "without": [(~t).sum() for t in there],
            "flagged": [(~t & s).sum() for t, s in zip(there, said, strict=True)],
        }
        rows.append({"label": name, **{what: float(np.mean(values)) for what, values in counts.items()}})
    return pd.DataFrame(rows)


def surest_mistakes(runs: Sequence[Predictions]) -> pd.DataFrame:
    """Return the test images that are predicted wrongly, the surest first, over all runs that tested them.

    The probability is the mean over those runs: of a multilabel task that of the label whose prediction is most
    surely wrong, be it said or denied.

    Returns:
        Columns ``image``, ``label`` (as told), ``prediction``, ``probability`` of what is wrong, ``wrong`` and
        ``runs`` (how many of them were wrong).
    """
    of_images: dict[str, list[tuple[Predictions, int]]] = {}
    for run in runs:
        for row, image in enumerate(run.images):
            of_images.setdefault(image, []).append((run, row))
    rows = []
    for image, found in of_images.items():
        mean = np.mean([run.probabilities[row] for run, row in found], axis=0)
        first, place = found[0]
        told = first.targets[place]
        sure, prediction, label = _judged(first, told, mean)
        if prediction != label:
            wrong = sum(_judged(run, run.targets[row], run.probabilities[row])[1] != label for run, row in found)
            rows.append(
                {
                    "image": image,
                    "label": label,
                    "prediction": prediction,
                    "probability": sure,
                    "wrong": wrong,
                    "runs": len(found),
                }
            )
    columns = ["image", "label", "prediction", "probability", "wrong", "runs"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(["probability", "image"], ascending=[False, True], ignore_index=True)


def _judged(run: Predictions, told: IntArray, probabilities: FloatArray) -> tuple[float, str, str]:
    """Return how sure what is said is, where it is wrong; what is said; and what is told."""
    if run.exclusive:
        best = int(probabilities.argmax())
        return float(probabilities[best]), run.names[best], run.names[int(told)]
    away = np.where(told == 1, 1 - probabilities, probabilities)  # of each label, how surely it is wrong
    return float(away.max()), joined(run.names, probabilities > THRESHOLD), joined(run.names, told == 1)
