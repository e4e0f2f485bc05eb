"""What a page, or a table, and the desk behind it say to each other: images by number, never by path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from coilal.active.labels import Answer, Label, Prediction
from coilal.common.types import Kind
from coilal.evidence.audit import Point as Point

Stage = Literal["audit", "batch", "again"]
"""Why an image is asked for: to measure, to learn from, or a second time, to measure the annotator."""


@dataclass(frozen=True)
class Shown:
    """An image that is to be labelled, or was.

    Attributes:
        number: its dataset-global id, by which the page knows it.
        name: of its file, for people.
        group: of the part (coil) that it shows.
        stage: why it is asked for; ``again`` hides what was told of it.
        views: numbers of all images of the same part in the order of their names, itself included.
        asked_views: those of them that are waiting for an answer.
        label: what was told of it last, None where nothing was, or an answer without a label.
        answer: the last answer, a label or ``NoLabel``; None where there is none.
        guess: of the model; None where there is no model yet.
        place: from 1, in its batch or the audit set.
        of: images of that batch or set, without those that were skipped.
        done: answered images among them.
    """

    number: int
    name: str
    group: str
    stage: Stage
    views: Sequence[int]
    asked_views: Sequence[int]
    label: Label | None
    answer: Answer | None
    guess: Prediction | None
    place: int
    of: int
    done: int


@dataclass(frozen=True)
class Receipt:
    """What became of an answer; it is on the disk.

    Attributes:
        number: the image.
        conflict: what somebody else had told of it, where that differs; both are kept, the first one counts.
        told: images that the answer was for: several where it was for a whole part.
    """

    number: int
    conflict: str | None = None
    told: int = 1


@dataclass(frozen=True)
class Progress:
    """How far the session is.

    Attributes:
        stage: of the image that comes next; None where none is waiting.
        held: images that wait, and were all given to others.
        done: answered images of the stage's batch or set.
        of: its images, without those that were skipped.
        labelled: images with a label, the audit set included.
        unsure: images that somebody was unsure of.
        left: images of the pool that nobody has been asked for.
        batch: number of the batch that is labelled, from 0.
        per_minute: answers a minute, over the last minutes that were worked in; None before there are any.
        seconds_left: of this batch; None where nobody can tell.
        learning: what the model does now, in words; "" where it waits for labels.
        curve: what each finished cycle has reached.
        metric: name of ``Point.value``, for people.
        advice: sentences: what the last batches bought, and whether more are worth their price.
        notes: sentences that must be seen: no audit set, conflicts, images that are new or gone.
        conflicts: images that were told differently by two people.
        finished: whether the whole pool is labelled.
    """

    stage: Stage | None
    held: int
    done: int
    of: int
    labelled: int
    unsure: int
    left: int
    batch: int
    per_minute: float | None
    seconds_left: float | None
    learning: str
    curve: Sequence[Point]
    metric: str
    advice: Sequence[str]
    notes: Sequence[str]
    conflicts: Sequence[int]
    finished: bool


@dataclass(frozen=True)
class GalleryItem:
    """An image that was answered.

    Attributes:
        number: its id.
        name: of its file.
        answer: the last one.
        guess: of the model, None before there is one.
        disagrees: whether the model took it for something else before it had learnt from it.
        who: told it.
        history: the other answers and whose, oldest first, as text.
        stage: why it was asked for.
    """

    number: int
    name: str
    answer: Answer
    guess: Prediction | None
    disagrees: bool
    who: str
    history: Sequence[str]
    stage: Stage


class NotAskedError(Exception):
    """An answer for an image that nobody was asked for, or a label that is none of the classes; says why."""


class Desk(Protocol):
    """Asks people for labels and takes them down.

    Every method may be called from any thread, and none waits for the model.
    """

    @property
    def study(self) -> str:
        """Return the name of the study."""
        ...

    @property
    def kind(self) -> Kind:
        """Return multiclass (one class an image) or multilabel (any number of labels)."""
        ...

    @property
    def classes(self) -> Sequence[str]:
        """Return the names of classes or labels, in the order of their keys; may grow."""
        ...

    @property
    def shows_guess(self) -> bool:
        """Return whether the page shows the model's guess unasked."""
        ...

    def next(self, who: str, after: int | None = None) -> Shown | None:
        """Return the image that this person labels next: of all that wait, none that somebody else was given.

        The same until it is answered, given back by skip, or given to somebody else after minutes without a key.
        None where nothing waits: the model is choosing, or all is done.

        Args:
            who: a person, or a tab of a browser: each gets different images.
            after: number of the image that has just been answered or passed.
        """
        ...

    def ahead(self, who: str, most: int) -> list[int]:
        """Return the numbers of the images that this person is likely to see next, for a page that loads them."""
        ...

    def show(self, who: str, number: int) -> Shown:
        """Return an image by its number, to look at or to correct.

        Raises:
            NotAskedError: there is no such image.
        """
        ...

    def tell(
        self,
        who: str,
        number: int,
        answer: Answer,
        seconds: float | None,
        saw_guess: bool,
        second_look: bool | None = None,
        sent: str = "",
    ) -> Receipt:
        """Take an answer; on the disk before this returns. A later one of the same person corrects it.

        Args:
            who: who gives it.
            number: of the image.
            answer: a class name, a tuple of label names, ``NoLabel.UNSURE`` or ``NoLabel.SKIP``.
            seconds: it took, as the page measured them; None where nobody knows.
            saw_guess: whether the model's guess was on the screen.
            second_look: whether the image was shown with the stage ``again``, so that nothing is corrected; None
                where nobody knows: it is then, if this person was given it so.
            sent: the sender's own id of the answer, kept with it; "" without one.

        Raises:
            NotAskedError: the image was never asked for, or the label is none of the classes.
            UserError: the disk refuses it; then nothing is told.
        """
        ...

    def was_sent(self, sent: str) -> bool:
        """Return whether an answer with this id of its sender is kept, of this server or one before it."""
        ...

    def was_told(self, who: str, number: int, answer: Answer) -> bool:
        """Return whether the last answer of this person for an image was this one, whatever became of it.

        Raises:
            NotAskedError: there is no such image.
        """
        ...

    def tell_part(
        self, who: str, number: int, label: Label, seconds: float, saw_guess: bool, sent: str = ""
    ) -> Receipt:
        """Take one label for all views of the image's part that have none: one decision.

        Where the image's label is from such a decision of the same person, that is corrected as a whole.

        Raises:
            NotAskedError: as for ``tell``.
        """
        ...

    def last(self, who: str) -> int | None:
        """Return the number of the image that this person has answered last and not taken up again, for undo."""
        ...

    def add_class(self, name: str) -> None:
        """Add a class or label, from now on; the model learns it from the next cycle on.

        Raises:
            NotAskedError: the name is empty, too long, or one that is there.
        """
        ...

    def progress(self, who: str) -> Progress:
        """Return how far the session is."""
        ...

    def gallery(
        self, label: str | None = None, disagrees: bool = False, first: int = 0, most: int = 60
    ) -> list[GalleryItem]:
        """Return answered images, the latest first.

        Args:
            label: only those with this class or label; ``unsure`` for those without.
            disagrees: only those that the model takes for something else.
            first: how many are passed over.
            most: how many are returned.
        """
        ...

    def pixels(self, number: int) -> NDArray[np.uint8]:
        """Return the image as the model sees it, (C, H, W).

        Raises:
            NotAskedError: there is no such image.
        """
        ...

    def file(self, number: int) -> bytes:
        """Return the image's file as it lies on the disk, whatever its format.

        Raises:
            NotAskedError: there is no such image.
            UserError: it cannot be read (any more).
        """
        ...
