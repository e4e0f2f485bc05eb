"""Wrong labels of a simulated annotator: what is told depends on a seed and the image, and on nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from coilal.common.types import FloatArray, Kind, UserError

Confusion = Mapping[str, Mapping[str, float]]
"""Class → {class that is told instead: probability}; or label → {miss: probability, false_alarm: probability}."""

MISS, FALSE_ALARM = "miss", "false_alarm"
ROUNDING = 1e-9
_STREAM = 3  # of random numbers: those of starting set and strategy are others


class LabelNoise:
    """Tells some labels wrongly.

    An image gets the same label whoever asks for it, in whatever order, before and after a kill: strategies are
    paired. An image that is told wrongly at one error rate is told wrongly, and the same, at every higher one.

    Args:
        names: of the classes or labels, by index (C).
        kind: of the task.
        error_rate: probability that an image is told as another class, each of them alike; or that a label of an
            image is told the other way round.
        confusion: probabilities of classes or labels that err otherwise.
        seed: of the errors.

    Raises:
        UserError: ``confusion`` names what is no class or label, or more than all images of a class are wrong.
    """

    def __init__(
        self,
        names: Sequence[str],
        kind: Kind,
        error_rate: float = 0.0,
        confusion: Confusion | None = None,
        seed: int = 0,
    ) -> None:
        given = {
            str(name): {str(told): value for told, value in row.items()} for name, row in (confusion or {}).items()
        }
        rates = _of_classes if kind == "multiclass" else _of_labels
        self._rates, self._seed = rates(names, error_rate, given), seed

    def told(self, values: NDArray[np.int64], images: Sequence[str]) -> NDArray[np.int64]:
        """Return what is told of images.

        Args:
            values: true class indices (n,) or 0/1 labels (n, L).
            images: their names (n).
        """
        wrong = self._class if values.ndim == 1 else self._labels
        rows = [wrong(value, self._generator(image)) for value, image in zip(values, images, strict=True)]
        return np.array(rows, dtype=np.int64).reshape(values.shape)

    def _generator(self, image: str) -> np.random.Generator:
        digest = hashlib.sha256(image.encode()).digest()
        return np.random.default_rng([self._seed, _STREAM, int.from_bytes(digest[:8], "big")])

    def _class(self, true: np.int64, generator: np.random.Generator) -> int:
        rates: FloatArray = self._rates[true]
        errs, which = generator.random(2)
        if errs >= rates.sum():
            return int(true)
        shares = np.cumsum(rates) / rates.sum()
        return int(np.searchsorted(shares, which, side="right"))

    def _labels(self, true: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
        errs = generator.random(len(true)) < self._rates[np.arange(len(true)), true]
        return np.where(errs, 1 - true, true)


def _of_classes(names: Sequence[str], error_rate: float, confusion: Confusion) -> FloatArray:
    """Return the probability (C, C) that an image of a class (row) is told as another one; 0 on the diagonal."""
    place = {name: number for number, name in enumerate(names)}
    unknown = {name for name in confusion if name not in place}
    unknown |= {told for row in confusion.values() for told in row if told not in place}
    if unknown:
        raise _unknown("no class", unknown, names)
    rates = np.full((len(names), len(names)), error_rate / (len(names) - 1))
    np.fill_diagonal(rates, 0.0)
    for name, row in confusion.items():
        if name in row:
            raise UserError(
                f"oracle.confusion: {name} stands among what {name} is told as; leave it out, it gets what is left"
            )
        if sum(row.values()) > 1 + ROUNDING:
            raise UserError(
                f"oracle.confusion: the probabilities of {name} sum to {sum(row.values()):.4g}; at most 1"
            )
        rates[place[name]] = 0.0
        rates[place[name], [place[told] for told in row]] = list(row.values())
    return rates


def _of_labels(names: Sequence[str], error_rate: float, confusion: Confusion) -> FloatArray:
    """Return the probability (L, 2) that a label is told wrongly where it is 0, and where it is 1."""
    if unknown := {name for name in confusion if name not in names}:
        raise _unknown("no label", unknown, names)
    if other := sorted({key for row in confusion.values() for key in row} - {MISS, FALSE_ALARM}):
        raise UserError(
            f"oracle.confusion of a multilabel task: for each label {MISS} (it is there, and not told) and "
            f"{FALSE_ALARM} (it is told, and not there), not {', '.join(other)}"
        )
    rates = np.full((len(names), 2), error_rate)
    for name, row in confusion.items():
        rates[list(names).index(name)] = row.get(FALSE_ALARM, 0.0), row.get(MISS, 0.0)
    return rates


def _unknown(what: str, unknown: set[str], names: Sequence[str]) -> UserError:
    return UserError(
        f"oracle.confusion names what is {what} of the data: {', '.join(sorted(unknown))}. The data have "
        f"{', '.join(names)} (in a yaml file a name that looks like a number is in quotes)."
    )
