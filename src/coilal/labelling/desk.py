"""The desk: who is shown which image, and what becomes of the answer."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Condition, RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coilal.active.labels import Answer, Label, NoLabel, Prediction
from coilal.active.outputs import Selection
from coilal.active.session import Batch, Session
from coilal.common.types import IntArray, Kind, UserError
from coilal.data.splits import PARTS
from coilal.evidence.advice import advice
from coilal.evidence.audit import METRIC, AuditReader
from coilal.evidence.words import counted
from coilal.labelling.answers import TABLE, Answers, check_answer, person_text
from coilal.labelling.contract import GalleryItem, NotAskedError, Progress, Receipt, Shown, Stage
from coilal.labelling.guesses import FILE, Guesses
from coilal.labelling.images import Images
from coilal.labelling.known import few
from coilal.labelling.settings import LabelSettings, problem_of_name

HELD_S = 300.0
"""Seconds without a key after which an image that somebody was given is free for others; the page may be open."""
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
        self.trouble = ""
        self.is_stopped = False
        self.notes: list[str] = []
        self._study, self._label, self._seed = study, label, seed
        self._held: dict[str, tuple[int, float]] = {}  # the image, and when a key was last pressed
        self._told: defaultdict[str, dict[int, None]] = defaultdict(dict)
        self._reader = AuditReader(folder, images.kind)
        self._guesses_file = folder / FILE
        self.guesses = Guesses(images.kind, len(images.samples))
        self.guesses.load(self._guesses_file, images.samples.names)
        self.take_up(images, sessions)

    def take_up(self, images: Images, sessions: tuple[Session, Session]) -> None:
        """Go on with these images and sessions; images that were there before have the numbers that they had."""
        with self.changed:
            self._images = images
            self._audit, self._pool = sessions
            self._answers = Answers(*sessions, images)
            self.guesses.grow(len(images.samples))
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
            self._ask_again()  # a kill may have come between the last answer of a batch and this

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

    def waits(self) -> None:
        """Note that the model waits for answers: all that was to be learnt is on the disk."""
        self.learning = self.trouble = ""

    def changed_images(self) -> list[str]:
        """Return which images show something else than when they were told of, in a sentence; nothing if none."""
        with self.changed:
            changed = [self._images.samples.names[number] for number in self._answers.changed]
        if not changed:
            return []
        shows = counted(len(changed), "image shows", "images show")
        when = "it was" if len(changed) == 1 else "they were"
        return [f"{shows} something else than when {when} labelled: look again at {few(changed)}"]

    def was_sent(self, sent: str) -> bool:
        """Return whether an answer with this id of its sender is kept."""
        with self.changed:
            return self._answers.was_sent(sent)

    def note_guesses(self, ids: IntArray, logits: NDArray[np.float32], names: Sequence[str]) -> None:
        """Take down what a model says of images; on the disk before its cycle is recorded, so that it stays.

        Args:
            ids: int64 (n,), dataset-global.
            logits: (n, C).
            names: of the classes or labels, by column.

        Raises:
            UserError: the disk refuses it.
        """
        self.guesses.note(ids, logits, names)
        self.guesses.save(self._guesses_file, self._images.samples.names)

    def _said_of_audit(self) -> dict[str, Label | None]:
        """Return what people say of each image of the audit set, by name; None of one without a label."""
        names = self._images.samples.names
        return {names[number]: self._answers.label(number) for number in self._images.audit.tolist()}

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
            taken = self._held_by_others(who)
            number, since = self._held.get(who, (None, now))
            if number not in waiting or number == after or number in taken:
                free = [each for each in waiting if each not in taken]
                number = next((each for each in free if each != after), free[0] if free else None)
            if number is None:
                self._held.pop(who, None)
                return None
            self._held[who] = number, since if after is None else now  # a page that is left open asks, too
            return self._shown(number, self._stage(number))

    def ahead(self, who: str, most: int) -> list[int]:
        """Return the numbers of the images that this person is likely to see next."""
        with self.changed:
            taken, held = self._held_by_others(who), self._holds(who)
            return [number for number in self._waiting() if number not in taken and number != held][:most]

    def show(self, who: str, number: int) -> Shown:
        """Return an image by its number; what waits for a second look of others can be corrected meanwhile."""
        self._check(number)
        with self.changed:
            self._press_key(who)
            is_held = self._holds(who) == number
            return self._shown(number, self._stage(number) if is_held else self._answers.stage(number))

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
        """Take an answer; on the disk before this returns."""
        self._check(number)
        check_answer(answer, self.classes, self.kind)
        answer = self._ordered(answer)
        with self.changed:
            if second_look is None:
                second_look = self._holds(who) == number and self._stage(number) == "again"
            is_again = second_look and self._answers.standing(number) is not None
            stage: Stage = "again" if is_again else self._answers.stage(number)
            about = _about(who, seconds, saw_guess, stage, sent)
            conflict = self._answers.tell([number], answer, about)
            self._taken(who, [number])
            return Receipt(number, conflict)

    def tell_table(self, labels: Mapping[int, Label]) -> None:
        """Take the labels that a table gives of images that were asked for; on the disk before this returns."""
        with self.changed:
            self._answers.tell_table(labels)
            self.changed.notify_all()

    def tell_part(
        self, who: str, number: int, label: Label, seconds: float, saw_guess: bool, sent: str = ""
    ) -> Receipt:
        """Take one label for all views of the image's part that have none, and that one's own last one was for."""
        self._check(number)
        check_answer(label, self.classes, self.kind)
        answer = self._ordered(label)
        with self.changed:
            session = self._answers.session_of(number)
            part = self._part(number)
            free = {view for view in part if session is self._pool and session.may_be_asked(view)}
            waiting = {view for view in part if session.is_pending(view)}
            mine = self._answers.with_same_decision(number, _name(who), part)
            if self._answers.standing(number) == answer:  # nothing to correct
                mine = set()
            views = sorted(free | waiting | mine, key=lambda view: (view != number, part.index(view)))
            if not views:
                raise NotAskedError("all views of this part have a label")
            if joined := [view for view in views if view in free]:
                session.join(np.array(joined, dtype=np.int64), self._batch_of(number))
            about = _about(who, seconds, saw_guess, self._answers.stage(number), sent)
            about["part"] = self._images.samples.groups[number]
            self._answers.tell(views, answer, about)
            self._taken(who, views)
            return Receipt(number, told=len(views))

    def last(self, who: str) -> int | None:
        """Return the number of the image that this person has answered last and not taken up again."""
        with self.changed:
            self._press_key(who)
            return self._told[who].popitem()[0] if self._told[who] else None

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
            taken, waiting = self._held_by_others(who), self._waiting()
            following = next((number for number in waiting if number not in taken), None)
            stage = None if following is None else self._stage(following)
            _, of, done = (0, 0, 0) if following is None else self._place(following, self._stage(following))
            recent = self._answers.seconds[-RECENT:]
            pace = 60 * len(recent) / sum(recent) if sum(recent) > 0 else None
            audit, pool = self._audit.counts, self._pool.counts
            reached = self._reader.read(self._said_of_audit(), audit.labelled + self._known_audit)
            per_image = self._answers.seconds_per_image
            batch = self._pool.first_open
            finished = not (pool.unlabelled or pool.pending or audit.pending)
            return Progress(
                stage=stage,
                held=len(waiting) if following is None else 0,
                done=done,
                of=of,
                labelled=audit.labelled + pool.labelled,
                unsure=audit.unsure + pool.unsure,
                left=pool.unlabelled,
                batch=batch.number if batch else max(0, len(self._pool.batches) - 1),
                per_minute=pace,
                seconds_left=None if per_image is None or not of else (of - done) * per_image,
                learning=self.learning,
                curve=reached.points,
                metric=METRIC[self.kind].replace("_", " "),
                advice=advice(reached, self._label.stake, per_image, self._label.prices, finished),
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
            when = self._answers.when
            for number in sorted(when, key=lambda number: (when[number], number), reverse=True):
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
        sessions = self._audit.pending, self._pool.again, self._pool.pending
        return [number for ids in sessions for number in ids.tolist()]

    def _holds(self, who: str) -> int | None:
        """Return the image that a person was given and has not answered, though others may be given it by now."""
        return self._held[who][0] if who in self._held else None

    def _held_by_others(self, who: str) -> set[int]:
        now = time.monotonic()
        return {number for other, (number, since) in self._held.items() if other != who and now - since < HELD_S}

    def _press_key(self, who: str) -> None:
        """Note that somebody is there; what others were given meanwhile stays theirs."""
        number = self._holds(who)
        if number in self._held_by_others(who):
            del self._held[who]
        elif number is not None:
            self._held[who] = number, time.monotonic()

    def _part(self, number: int) -> list[int]:
        return self._views[self._images.samples.groups[number]]

    def _batch_of(self, number: int) -> int:
        where = self._pool.where(number)
        if where is None:
            raise NotAskedError(f"the image with id {number} was never asked for")
        return where[0].number

    def _stage(self, number: int) -> Stage:
        return "again" if number in self._pool.again else self._answers.stage(number)

    def _taken(self, who: str, numbers: Sequence[int]) -> None:
        """Note that images are answered, and let the model know."""
        if self._holds(who) in numbers:
            del self._held[who]
        self._press_key(who)
        for number in numbers:
            self._told[who].pop(number, None)
        self._told[who][numbers[0]] = None
        self._ask_again()
        self.changed.notify_all()

    def _ask_again(self) -> None:
        """Ask for some images a second time, once a batch is labelled."""
        finished = len(self._pool.batches) - self._pool.open_batches - 1
        if not self._label.reask or finished < 1 or finished <= self._pool.again_after:
            return
        generator = np.random.default_rng([self._seed, 1, finished])
        earlier = np.concatenate([batch.ids for batch in self._pool.batches[:finished]])
        labelled = np.setdiff1d(np.intersect1d(self._pool.labelled[0], earlier), self._pool.again)
        told = [number for number in labelled.tolist() if self._answers.author(number) != TABLE]
        number = min(len(told), max(1, round(self._label.reask * len(self._pool.batches[finished].ids))))
        with suppress(UserError):  # a disk that refuses it may take it after the next answer
            drawn = generator.choice(np.array(told, dtype=np.int64), number, replace=False)
            self._pool.ask_again(drawn, finished)

    def _asked(self, session: Session, batch: Batch) -> list[int]:
        """Return the images of a batch, best first, without those that were skipped, or came in a later one."""

        def belongs(number: int) -> bool:
            where = session.where(number)
            is_here = where is not None and where[0].number == batch.number
            return is_here and (session.is_pending(number) or session.answer(number) is not NoLabel.SKIP)

        return [number for number in batch.ids.tolist() if belongs(number)]

    def _shown(self, number: int, stage: Stage) -> Shown:
        samples, part = self._images.samples, self._part(number)
        session = self._answers.session_of(number)
        again = set(self._pool.again.tolist())
        place, of, done = self._place(number, stage)
        hides = stage == "again"  # a second look must not see the first
        return Shown(
            number=number,
            name=samples.names[number],
            group=samples.groups[number],
            stage=stage,
            views=part,
            asked_views=[view for view in part if session.is_pending(view) or view in again],
            label=None if hides else self._answers.label(number),
            answer=None if hides else self._answers.standing(number),
            guess=self.guesses.of(number),
            place=place,
            of=of,
            done=done,
        )

    def _place(self, number: int, stage: Stage) -> tuple[int, int, int]:
        """Return the place of an image in its batch or set, how many images that has, and how many are answered."""
        if stage == "again":
            waiting, of = self._pool.again.tolist(), self._pool.again_of
            return of - len(waiting) + waiting.index(number) + 1, of, of - len(waiting)
        session = self._audit if stage == "audit" else self._pool
        where = session.where(number)
        if where is None:
            return 0, 0, 0
        batch, at = where
        asked = self._asked(session, batch)
        before = set(batch.ids[:at].tolist())
        done = sum(not session.is_pending(each) for each in asked)
        return sum(each in before for each in asked) + 1, len(asked), done

    def _item(self, number: int) -> GalleryItem | None:
        answer = self._answers.standing(number)
        if answer is None or answer is NoLabel.SKIP:
            return None
        guess = self.guesses.of(number)
        return GalleryItem(
            number=number,
            name=self._images.samples.names[number],
            answer=answer,
            guess=guess,
            disagrees=not self._is_measured(number) and _differ(guess, answer),
            who=person_text(self._answers.author(number)),
            history=self._answers.others(number),
            stage=self._answers.stage(number),
        )

    def _is_measured(self, number: int) -> bool:
        """Return whether an image is of the audit set: correcting it where the model doubts it would flatter it."""
        return self._answers.stage(number) == "audit"

    def _all_notes(self) -> list[str]:
        audit = self._audit.counts
        left_out = len(self._images.audit) - audit.pending - audit.labelled
        trouble = [self.trouble] if self.trouble else []
        notes = [*trouble, *self.notes, *self.changed_images()]
        if not self._has_audit:
            notes.append(
                "There is no audit set (label.audit=0): how good the model is cannot be said, since images that "
                "were chosen to be learnt from are harder, or easier, than those of the line."
            )
        if self._has_audit and self._audit_groups < FEW_GROUPS:
            notes.append(
                f"The audit set shows {counted(self._audit_groups, 'part')} only, and says little of others: its "
                "interval is wide. It shows ten parts or more where the folder has thirty."
            )
        if left_out:
            have = counted(left_out, "image of the audit set has", "images of the audit set have")
            are = "is" if left_out == 1 else "are"
            notes.append(f"{have} no label, and {are} left out of the measure.")
        return notes


def _differ(guess: Prediction | None, answer: Answer) -> bool:
    return guess is not None and not isinstance(answer, NoLabel) and guess.label != answer


def _about(who: str, seconds: float | None, saw_guess: bool, stage: Stage, sent: str) -> dict[str, Any]:
    """Return what is kept with an answer."""
    took = {} if seconds is None else {"seconds": round(seconds, 2)}
    known_by = {"id": sent} if sent else {}
    return {"who": _name(who), **took, "saw_guess": saw_guess, "stage": stage, **known_by}


def _name(who: str) -> str:
    """Return the person of ``name#tab``; two windows without a name are two people."""
    return who.partition("#")[0] or who


def _fits(item: GalleryItem, label: str | None) -> bool:
    if label is None:
        return True
    if isinstance(item.answer, NoLabel):
        return label == item.answer.value
    return label == item.answer or (not isinstance(item.answer, str) and label in item.answer)
