"""The desk: who is shown which image, and what becomes of the answer."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from threading import Condition, RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coilal.active.labels import Answer, Label, NoLabel
from coilal.active.outputs import Selection
from coilal.active.session import Session
from coilal.common.types import IntArray, Kind, UserError
from coilal.data.splits import PARTS
from coilal.evidence.audit import METRIC, advice, points
from coilal.labelling.answers import Answers, check_answer
from coilal.labelling.contract import GalleryItem, Guess, NotAskedError, Progress, Receipt, Shown, Stage
from coilal.labelling.guesses import Guesses
from coilal.labelling.images import Images
from coilal.labelling.settings import LabelSettings, problem_of_name

HELD_S = 180.0
"""Seconds after which an image that somebody was given, and who has not been heard of since, is free for others."""
FEW_GROUPS = 10
"""Parts in an audit set below which its interval says too much."""
RECENT = 30
"""Answers that the pace is measured by."""


class SessionDesk:
    """The desk over the two sessions of a run; satisfies ``contract.Desk``.

    Args:
        study: its name.
        folder: the run directory.
        images: what there is to label.
        label: the settings.
        sessions: that of the audit set, and that of the pool.
        seed: draws the order of the audit set, and what is asked again.
    """

    def __init__(
        self,
        study: str,
        folder: Path,
        images: Images,
        label: LabelSettings,
        sessions: tuple[Session, Session],
        seed: int,
    ) -> None:
        self.changed = Condition(RLock())
        self.learning = ""
        self.is_stopped = False
        self.notes: list[str] = []
        self._study, self._folder, self._label, self._seed = study, folder, label, seed
        self._held: dict[str, tuple[int, float]] = {}
        self._told: defaultdict[str, list[int]] = defaultdict(list)
        self._again: list[int] = []
        self._asked_again: set[int] = set()
        self.take_up(images, sessions)
        self._asked_again = set(range(len(self._pool.batches) - self._open_batches()))  # at an earlier start

    def take_up(self, images: Images, sessions: tuple[Session, Session]) -> None:
        """Go on with these images and sessions; images that were there before have the numbers that they had."""
        with self.changed:
            self._images = images
            self._audit, self._pool = sessions
            self._answers = Answers(*sessions, images.audit)
            self.guesses = Guesses(images.kind, len(images.samples))
            is_test = images.placed.part == PARTS.index("test")
            self._has_audit = bool(is_test.any())
            self._known_audit = sum(bool(is_test[number]) for number in images.known_by_table)
            self._audit_groups = len({images.samples.groups[number] for number in np.flatnonzero(is_test)})
            self._views: dict[str, list[int]] = defaultdict(list)
            names, groups = images.samples.names, images.samples.groups
            for number in sorted(range(len(names)), key=names.__getitem__):
                self._views[groups[number]].append(number)
            if len(images.audit) and not self._audit.batches:
                order = np.random.default_rng([self._seed, 0]).permutation(images.audit)
                self._audit.ask(lambda _: Selection(order, np.full(len(order), np.nan)))

    @property
    def study(self) -> str:
        """Return the name of the study."""
        return self._study

    @property
    def kind(self) -> Kind:
        """Return multiclass or multilabel."""
        return self._images.kind

    @property
    def classes(self) -> Sequence[str]:
        """Return the names of classes or labels, in the order of their keys."""
        return tuple(dict.fromkeys([*self._images.classes, *self._pool.added]))

    @property
    def shows_guess(self) -> bool:
        """Return whether the page shows the model's guess unasked."""
        return self._label.show_guess

    @property
    def is_audited(self) -> bool:
        """Return whether nothing of the audit set waits for an answer."""
        return not len(self._audit.pending)

    @property
    def audited(self) -> dict[int, Label]:
        """Return the labels of the audit set, by id; those told to be unsure or skipped are left out."""
        ids, labels = self._audit.labelled
        return dict(zip(ids.tolist(), labels, strict=True))

    def was_told(self, who: str, number: int, answer: Answer) -> bool:
        """Return whether the last answer of this person for an image was this one."""
        self._check(number)
        with self.changed:
            return self._answers.was_told(number, self._ordered(answer), _name(who))

    def _ordered(self, answer: Answer) -> Answer:
        """Return several labels in the order of the classes."""
        return tuple(name for name in self.classes if name in answer) if isinstance(answer, tuple) else answer

    def standing(self, number: int) -> Answer | None:
        """Return the answer that stands for an image, None without one."""
        with self.changed:
            return self._answers.standing(number)

    def next(self, who: str, after: int | None = None) -> Shown | None:
        """Return the image that this person labels next; see ``contract.Desk``."""
        with self.changed:
            now, waiting = time.monotonic(), self._waiting()
            number, _ = self._held.get(who, (None, 0.0))
            if number not in waiting or number == after:
                free = [each for each in waiting if each not in self._held_by_others(who, now)]
                number = next((each for each in free if each != after), free[0] if free else None)
            if number is None:
                self._held.pop(who, None)
                return None
            self._held[who] = number, now
            return self._shown(number)

    def ahead(self, who: str, most: int) -> list[int]:
        """Return the numbers of the images that this person is likely to see next."""
        with self.changed:
            taken = self._held_by_others(who, time.monotonic())
            held, _ = self._held.get(who, (None, 0.0))
            return [number for number in self._waiting() if number not in taken and number != held][:most]

    def show(self, who: str, number: int) -> Shown:  # noqa: ARG002 (of each desk)
        """Return an image by its number."""
        self._check(number)
        with self.changed:
            return self._shown(number)

    def tell(self, who: str, number: int, answer: Answer, seconds: float | None, saw_guess: bool) -> Receipt:
        """Take an answer; on the disk before this returns."""
        self._check(number)
        check_answer(answer, self.classes, self.kind)
        answer = self._ordered(answer)
        with self.changed:
            is_again = number in self._again
            if not (is_again and answer is NoLabel.SKIP):
                about = self._about(who, number, seconds, saw_guess)
                conflict = self._answers.tell([number], answer, about)
            else:
                conflict = None
            self._taken(who, [number])
            return Receipt(number, conflict)

    def tell_part(self, who: str, number: int, label: Label, seconds: float, saw_guess: bool) -> Receipt:
        """Take one label for all views of the image's part that have none, and that one's own last one was for."""
        self._check(number)
        check_answer(label, self.classes, self.kind)
        answer = self._ordered(label)
        with self.changed:
            session = self._answers.session_of(number)
            free = set(session.unlabelled.tolist()) if session is self._pool else set()
            waiting = set(session.pending.tolist())
            mine = self._answers.with_same_decision(number, _name(who), self._part(number))
            if self._answers.standing(number) == answer:  # nothing to correct
                mine = set()
            views = [view for view in self._part(number) if view in free | waiting or view in mine]
            if not views:
                raise NotAskedError("all views of this part have a label")
            if joined := [view for view in views if view in free]:
                session.join(np.array(joined, dtype=np.int64), self._batch_of(number))
            first = [number] if number in views else []
            about = self._about(who, number, seconds, saw_guess)
            about |= {"part": self._images.samples.groups[number], "stage": self._answers.stage(number)}
            self._answers.tell([*first, *(view for view in views if view != number)], answer, about)
            self._taken(who, views)
            return Receipt(number, told=len(views))

    def last(self, who: str) -> int | None:
        """Return the number of the image that this person has answered last and not taken up again."""
        with self.changed:
            return self._told[who].pop() if self._told[who] else None

    def add_class(self, name: str) -> None:
        """Add a class or label, from now on."""
        with self.changed:
            if problem := problem_of_name(name, tuple(self.classes)):
                raise NotAskedError(problem)
            self._pool.add(name)
            self.changed.notify_all()

    def progress(self, who: str) -> Progress:
        """Return how far the session is."""
        with self.changed:
            taken = self._held_by_others(who, time.monotonic())
            waiting = self._waiting()
            following = next((number for number in waiting if number not in taken), None)
            stage, done, of = self._done(None if following is None else self._stage(following))
            recent = self._answers.seconds[-RECENT:]
            pace = 60 * len(recent) / sum(recent) if sum(recent) > 0 else None
            labelled, _ = self._pool.labelled
            curve = points(self._folder, self.kind, len(self.audited) + self._known_audit)
            per_image = self._answers.seconds_per_image
            finished = not len(self._pool.unlabelled) and not len(self._pool.pending) and self.is_audited
            return Progress(
                stage=stage,
                held=len(waiting) if following is None else 0,
                done=done,
                of=of,
                labelled=len(labelled),
                unsure=len(self._pool.unsure),
                left=len(self._pool.unlabelled),
                batch=max(0, min(len(self._pool.batches) - self._open_batches(), len(self._pool.batches) - 1)),
                per_minute=pace,
                seconds_left=None if per_image is None or not of else (of - done) * per_image,
                learning=self.learning,
                curve=curve,
                metric=METRIC[self.kind].replace("_", " "),
                advice=advice(curve, per_image),
                notes=self._all_notes(),
                conflicts=list(self._answers.conflicts),
                finished=finished,
            )

    def gallery(
        self, label: str | None = None, disagrees: bool = False, first: int = 0, most: int = 60
    ) -> list[GalleryItem]:
        """Return answered images, the latest first."""
        with self.changed:
            found = []
            for number in sorted(self._answers.when, key=self._answers.when.__getitem__, reverse=True):
                item = self._item(number)
                if item and _fits(item, label) and (item.disagrees or not disagrees):
                    found.append(item)
                    if len(found) == first + most:
                        break
            return found[first:]

    def pixels(self, number: int) -> NDArray[np.uint8]:
        """Return the image as the model sees it, (C, H, W)."""
        self._check(number)
        return np.asarray(self._images.decoded.pixels[number])

    def file(self, number: int) -> bytes:
        """Return the image's file as it lies on the disk."""
        self._check(number)
        if self._images.folder is None:
            raise NotAskedError("the images of this session are no files")
        path = self._images.folder / self._images.samples.names[number]
        try:
            return path.read_bytes()
        except OSError as error:
            raise UserError(f"{path} cannot be read (any more): {error.strerror or error}") from error

    def _check(self, number: int) -> None:
        if not 0 <= number < len(self._images.samples):
            raise NotAskedError(f"there is no image {number}")

    def _waiting(self) -> list[int]:
        """Return what waits for an answer, in the order in which it is shown."""
        return [*self._audit.pending.tolist(), *self._again, *self._pool.pending.tolist()]

    def _held_by_others(self, who: str, now: float) -> set[int]:
        return {number for other, (number, since) in self._held.items() if other != who and now - since < HELD_S}

    def _part(self, number: int) -> list[int]:
        return self._views[self._images.samples.groups[number]]

    def _batch_of(self, number: int) -> int:
        for batch in self._pool.batches:
            if number in batch.ids:
                return batch.number
        raise NotAskedError(f"the image with id {number} was never asked for")

    def _about(self, who: str, number: int, seconds: float | None, saw_guess: bool) -> dict[str, Any]:
        took = {} if seconds is None else {"seconds": round(seconds, 2)}
        held, _ = self._held.get(who, (None, 0.0))
        stage = self._stage(number) if held == number else self._answers.stage(number)  # else it is a correction
        return {"who": _name(who), **took, "saw_guess": saw_guess, "stage": stage}

    def _stage(self, number: int) -> Stage:
        return "again" if number in self._again else self._answers.stage(number)

    def _taken(self, who: str, numbers: Sequence[int]) -> None:
        """Note that images are answered, and let the model know."""
        held, _ = self._held.get(who, (None, 0.0))
        if held in numbers:
            self._held.pop(who)
        self._told[who] = [number for number in self._told[who] if number not in numbers] + [numbers[0]]
        self._again = [number for number in self._again if number not in numbers]
        self._ask_again()
        self.changed.notify_all()

    def _ask_again(self) -> None:
        """Ask for some images a second time, once a batch is labelled."""
        finished = len(self._pool.batches) - self._open_batches() - 1
        if not self._label.reask or finished < 1 or finished in self._asked_again:
            return
        self._asked_again.add(finished)
        generator = np.random.default_rng([self._seed, 1, finished])
        earlier = np.concatenate([batch.ids for batch in self._pool.batches[:finished]])
        told: IntArray = np.intersect1d(self._pool.labelled[0], earlier)
        number = min(len(told), max(1, round(self._label.reask * len(self._pool.batches[finished].ids))))
        self._again = generator.choice(told, number, replace=False).tolist()

    def _open_batches(self) -> int:
        return sum(len(self._pool.pending_of(batch.number)) > 0 for batch in self._pool.batches)

    def _done(self, stage: Stage | None) -> tuple[Stage | None, int, int]:
        """Return the stage, how many of its images are answered, and how many there are."""
        if stage == "again":
            return stage, 0, len(self._again)
        session = self._audit if stage == "audit" else self._pool
        if stage is None or not session.batches:
            return stage, 0, 0
        pending = set(session.pending.tolist())
        batch = next((batch for batch in session.batches if pending & set(batch.ids.tolist())), session.batches[-1])
        return stage, len(batch.ids) - len(pending & set(batch.ids.tolist())), len(batch.ids)

    def _shown(self, number: int) -> Shown:
        samples, part = self._images.samples, self._part(number)
        waiting = set(self._waiting())
        stage = self._stage(number)
        place, of = self._place(number, stage)
        hides = stage == "again"  # a second look must not see the first
        return Shown(
            number=number,
            name=samples.names[number],
            group=samples.groups[number],
            stage=stage,
            views=part,
            asked_views=[view for view in part if view in waiting],
            label=None if hides else self._answers.label(number),
            answer=None if hides else self._answers.standing(number),
            guess=self.guesses.of(number),
            place=place,
            of=of,
        )

    def _place(self, number: int, stage: Stage) -> tuple[int, int]:
        if stage == "again":
            return self._again.index(number) + 1, len(self._again)
        for batch in (self._audit if stage == "audit" else self._pool).batches:
            where = np.flatnonzero(batch.ids == number)
            if len(where):
                return int(where[0]) + 1, len(batch.ids)
        return 0, 0

    def _item(self, number: int) -> GalleryItem | None:
        answer, history = self._answers.standing(number), self._answers.history(number)
        if answer is None or answer is NoLabel.SKIP:
            return None
        guess = self.guesses.of(number)
        return GalleryItem(
            number=number,
            name=self._images.samples.names[number],
            answer=answer,
            guess=guess,
            disagrees=not self._is_measured(number) and _differ(guess, answer),
            who=history[-1].partition(":")[0],
            history=history[:-1],
            stage=self._answers.stage(number),
        )

    def _is_measured(self, number: int) -> bool:
        """Return whether an image is of the audit set: correcting it where the model doubts it would flatter it."""
        return self._answers.stage(number) == "audit"

    def _all_notes(self) -> list[str]:
        left_out = len(self._images.audit) - len(self._audit.pending) - len(self.audited)
        notes = [*self.notes]
        if not self._has_audit:
            notes.append(
                "There is no audit set (label.audit=0): how good the model is cannot be said, since images that "
                "were chosen to be learnt from are harder, or easier, than those of the line."
            )
        if self._has_audit and self._audit_groups < FEW_GROUPS:
            notes.append(
                f"The audit set shows {self._audit_groups} parts only: views of a part are alike, so that the "
                "interval is too narrow. A larger label.audit, at the start, shows more of them."
            )
        if left_out:
            notes.append(f"{left_out} images of the audit set have no label, and are left out of the measure.")
        return notes


def _differ(guess: Guess | None, answer: Answer) -> bool:
    return guess is not None and not isinstance(answer, NoLabel) and guess.label != answer


def _name(who: str) -> str:
    """Return the person of ``name#tab``; two windows without a name are two people."""
    return who.partition("#")[0] or who


def _fits(item: GalleryItem, label: str | None) -> bool:
    if label is None:
        return True
    if isinstance(item.answer, NoLabel):
        return label == item.answer.value
    return label == item.answer or (not isinstance(item.answer, str) and label in item.answer)
