"""The rows that formats write and read."""

from __future__ import annotations

from dataclasses import dataclass

from coilal.active.labels import Label, NoLabel


@dataclass(frozen=True)
class Asked:
    """An image that is to be labelled.

    Attributes:
        image: its name, a path with slashes relative to the folder of the images.
        group: the coil (or other part) that it shows.
        rank: its place in the batch, 1 is asked for first.
        score: of the strategy, None where it gives none.
        guess: what the model takes it for, None before there is a model.
        confidence: of the guess, from 0 to 1; None without one.
    """

    image: str
    group: str
    rank: int
    score: float | None = None
    guess: Label | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Labelled:
    """An image with its label.

    Attributes:
        image: its name, a path with slashes relative to the folder of the images.
        group: the coil (or other part) that it shows.
        label: a class name, or the names of its labels, perhaps none.
        part: of the split: pool, validation or test.
    """

    image: str
    group: str
    label: Label
    part: str


@dataclass(frozen=True)
class Said:
    """What one row of a table, or one annotation of a tool, says of an image.

    Attributes:
        place: where it stands, for people.
        image: the image as the file names it.
        chosen: the names that were chosen as they are written, perhaps none; an answer without a label; or None
            where nobody has answered.
        who: has said it, "" where the file does not say.
        seconds: it took, None where the file does not say.
    """

    place: str
    image: str
    chosen: tuple[str, ...] | NoLabel | None
    who: str = ""
    seconds: float | None = None
