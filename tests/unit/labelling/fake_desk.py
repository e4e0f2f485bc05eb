"""A desk in memory, for tests of the page: it keeps what it is told, and can be made to learn or to fail."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from threading import RLock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coilal.active.labels import Answer, Label, NoLabel, Prediction
from coilal.common.types import Kind, UserError
from coilal.labelling.contract import GalleryItem, NotAskedError, Point, Progress, Receipt, Shown, Stage

CURVE = tuple(
    Point(labelled, *share, of=64, groups=16)
    for labelled, *share in ((24, 0.61, 0.48, 0.73), (48, 0.77, 0.65, 0.86), (72, 0.86, 0.75, 0.93))
)


class Told(NamedTuple):
    who: str
    number: int
    answer: Answer
    seconds: float
    saw_guess: bool


def stripes(number: int) -> NDArray[np.uint8]:
    """Return an image (48, 64) that no other number has."""
    values = np.full((48, 64), 60, dtype=np.uint8)
    values[:: 2 + number % 7] = 90 + 5 * (number % 30)
    return values


def _names(answer: Answer) -> tuple[str, ...]:
    return () if isinstance(answer, NoLabel) else (answer,) if isinstance(answer, str) else answer


class FakeDesk:
    """Asks for the first images of the audit set, then for the others in their order.

    Args:
        kind: multiclass or multilabel.
        classes: names.
        images: how many there are.
        views: of each part.
        audit: images of the audit set, the first ones.
        asked: images that are asked for, audit set included.
    """

    study = "line3"
    shows_guess = True

    def __init__(
        self,
        kind: Kind = "multiclass",
        classes: Sequence[str] = ("ok", "dent", "scratch"),
        images: int = 24,
        views: int = 4,
        audit: int = 0,
        asked: int = 12,
    ) -> None:
        self.kind: Kind = kind
        self.classes = list(classes)
        self.told: list[Told] = []
        self.sent: set[str] = set()
        self.second_looks: list[int] = []
        self.files: dict[int, bytes] = {}
        self.disk_is_full = False
        self.learning = ""
        self.held = 0
        self.conflict: str | None = None
        self._images, self._views, self._audit = images, views, audit
        self._waiting = list(range(asked))
        self._of = asked
        self._held: dict[str, int] = {}
        self._undone: dict[str, list[int]] = {}
        self._lock = RLock()

    def ask(self, numbers: Sequence[int]) -> None:
        self._waiting += numbers

    def answers(self) -> dict[int, Answer]:
        return {told.number: told.answer for told in self.told}

    def next(self, who: str, after: int | None = None) -> Shown | None:
        with self._lock:
            if self.learning:
                return None
            number = self._held.get(who)
            if number not in self._waiting or number == after:
                taken = {each for other, each in self._held.items() if other != who}
                free = [each for each in self._waiting if each not in taken and each != after]
                number = free[0] if free else None
            if number is None:
                self._held.pop(who, None)
                return None
            self._held[who] = number
            return self.show(who, number)

    def ahead(self, who: str, most: int) -> list[int]:
        with self._lock:
            return [number for number in self._waiting if number not in self._held.values()][:most]

    def was_told(self, who: str, number: int, answer: Answer) -> bool:
        self._check(number)
        name = who.partition("#")[0]
        own = [told.answer for told in self.told if told.number == number and told.who.partition("#")[0] == name]
        return bool(own) and own[-1] == answer

    def show(self, who: str, number: int) -> Shown:
        self._check(number)
        first = number - number % self._views
        views = list(range(first, min(first + self._views, self._images)))
        answer = self.answers().get(number)
        return Shown(
            number=number,
            name=f"coil{first // self._views + 1:03d}_view{number % self._views + 1:02d}.png",
            group=f"coil{first // self._views + 1:03d}",
            stage=self._stage(number),
            views=views,
            asked_views=[view for view in views if view in self._waiting],
            label=None if isinstance(answer, NoLabel) else answer,
            answer=answer,
            guess=self._guess(number),
            place=number + 1,
            of=self._of,
            done=self._done(),
        )

    def was_sent(self, sent: str) -> bool:
        return sent in self.sent

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
        with self._lock:
            if number not in self._waiting and number not in self.answers():
                raise NotAskedError(f"image {number} was never asked for")
            self._tell(who, [number], answer, seconds or 0.0, saw_guess)
            self.sent.add(sent)
            self.second_looks += [number] * bool(second_look)
            return Receipt(number, self.conflict)

    def tell_part(
        self, who: str, number: int, label: Label, seconds: float, saw_guess: bool, sent: str = ""
    ) -> Receipt:
        with self._lock:
            views = [view for view in self.show(who, number).views if view not in self.answers()]
            if not views:
                raise NotAskedError("all views of this part have a label")
            self._tell(who, views, label, seconds, saw_guess)
            self.sent.add(sent)
            return Receipt(number, told=len(views))

    def last(self, who: str) -> int | None:
        undone = self._undone.get(who)
        return undone.pop() if undone else None

    def add_class(self, name: str) -> None:
        if not name or name in self.classes:
            raise NotAskedError(f"'{name}' is no new name")
        self.classes.append(name)

    def progress(self, who: str) -> Progress:
        answers = self.answers()
        curve = CURVE if len(answers) > 2 else ()
        return Progress(
            stage=self._stage(self._waiting[0]) if self._waiting else None,
            held=self.held,
            done=self._done(),
            of=self._of,
            labelled=sum(not isinstance(answer, NoLabel) for answer in answers.values()),
            unsure=list(answers.values()).count(NoLabel.UNSURE),
            left=self._images - len(answers),
            batch=2,
            per_minute=14.2 if answers else None,
            seconds_left=130.0 if answers else None,
            learning=self.learning,
            curve=curve,
            metric="accuracy",
            advice=["The last 48 labels moved what the model gets right from 61 % to 86 % of the audit set."]
            if curve
            else [],
            notes=["2 images are new in the folder, and can be asked for."] if curve else [],
            conflicts=[0] if self.conflict else [],
            finished=False,
        )

    def gallery(
        self, label: str | None = None, disagrees: bool = False, first: int = 0, most: int = 60
    ) -> list[GalleryItem]:
        numbers = list(dict.fromkeys(told.number for told in reversed(self.told)))
        items = [self._item(number) for number in numbers if self.answers()[number] is not NoLabel.SKIP]
        if label == "unsure":
            items = [item for item in items if item.answer is NoLabel.UNSURE]
        elif label:
            items = [item for item in items if label in _names(item.answer)]
        return [item for item in items if item.disagrees or not disagrees][first : first + most]

    def pixels(self, number: int) -> NDArray[np.uint8]:
        self._check(number)
        values = stripes(number)
        return np.asarray(Image.fromarray(values).resize((224, 224)))[None]

    def file(self, number: int) -> bytes:
        self._check(number)
        if number in self.files:
            return self.files[number]
        out = io.BytesIO()
        Image.fromarray(stripes(number)).save(out, "PNG", compress_level=1)
        return out.getvalue()

    def _check(self, number: int) -> None:
        if not 0 <= number < self._images:
            raise NotAskedError(f"there is no image {number}")

    def _stage(self, number: int) -> Stage:
        return "audit" if number < self._audit else "batch"

    def _done(self) -> int:
        return sum(number not in self._waiting for number in range(self._of))

    def _guess(self, number: int) -> Prediction | None:
        name = self.classes[number * 7 % 3 % len(self.classes)]
        return Prediction(name if self.kind == "multiclass" else (name,), 0.55 + number * 13 % 40 / 100)

    def _tell(self, who: str, numbers: Sequence[int], answer: Answer, seconds: float, saw_guess: bool) -> None:
        if unknown := [name for name in _names(answer) if name not in self.classes]:
            raise NotAskedError(f"no class is named {', '.join(unknown)}")
        if self.disk_is_full:
            raise UserError("the disk is full; nothing was told.")
        time.sleep(0.002)  # about what a disk takes
        self.told += [Told(who, number, answer, seconds, saw_guess) for number in numbers]
        self._waiting = [number for number in self._waiting if number not in numbers]
        self._held.pop(who, None)
        self._undone.setdefault(who, []).append(numbers[0])

    def _item(self, number: int) -> GalleryItem:
        told = [each for each in self.told if each.number == number]
        shown, answer = self.show("", number), told[-1].answer
        return GalleryItem(
            number=number,
            name=shown.name,
            answer=answer,
            guess=shown.guess,
            disagrees=not isinstance(answer, NoLabel) and shown.guess is not None and shown.guess.label != answer,
            who=told[-1].who.partition("#")[0],
            history=[f"{each.who.partition('#')[0]}: {each.answer}" for each in told[:-1]],
            stage=shown.stage,
        )
