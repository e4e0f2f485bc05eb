"""The session: what is labelled and what is asked for; labels reach training by no other way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import RLock
from typing import Any, NamedTuple

import numpy as np

from coilal.active.journal import Journal
from coilal.active.labels import Answer, Label, NoLabel, Prediction
from coilal.active.outputs import Selection
from coilal.common.types import FloatArray, IntArray, UserError

Choose = Callable[[IntArray], Selection]
"""From the ids (n,) that may be asked for, ascending, to the batch that is."""

_FREE, _ASKED, _LABELLED, _UNSURE = range(4)


@dataclass(frozen=True)
class Batch:
    """Images that are asked for together, best first.

    Attributes:
        number: from 0, the starting set.
        ids: int64 (b,), dataset-global.
        scores: float64 (b,), NaN where the strategy computes none.
        predictions: what the model took the first of them for when they were asked for (at most b); none of images
            that no model has chosen: those of the start, and those that joined later.
    """

    number: int
    ids: IntArray
    scores: FloatArray
    predictions: tuple[Prediction, ...] = ()


@dataclass(frozen=True)
class Told:
    """One answer.

    Attributes:
        answer: a label, or why there is none.
        about: what else is known of it: who gave it, when, in how many seconds, …
        stands: whether it is the image's answer; one that contradicts another person's, or repeats what was asked
            before, is kept beside it.
    """

    answer: Answer
    about: Mapping[str, Any] = field(default_factory=dict)
    stands: bool = True


class Counts(NamedTuple):
    """How many images of the pool there are of each kind.

    Attributes:
        unlabelled: may be asked for.
        pending: are asked for and not answered.
        labelled: have a label.
        unsure: were told to be unsure.
    """

    unlabelled: int
    pending: int
    labelled: int
    unsure: int


class Session:
    """Asks for images and is told labels: the simulated oracle, a page and a table are callers of ``tell``.

    With a journal everything that was asked or told is on the disk before the call returns; a session on the same
    journal goes on where the one before was killed, with the same pending batch. Threads may share a session: while
    one of them chooses a batch, the others tell.

    Args:
        names: image names by dataset-global id (N), unique: what the journal knows images by.
        pool: int64 (n,), dataset-global ids of the images that may be asked for.
        journal: where it is kept; None for a session that lives in memory.
        may_lose: whether images of the journal that are not in the pool (any more) are left out, as ``lost``.

    Raises:
        ValueError: an id occurs twice in the pool.
        UserError: the journal is damaged, or names images that are not in the pool (any more).
    """

    def __init__(
        self, names: Sequence[str], pool: IntArray, journal: Journal | None = None, may_lose: bool = False
    ) -> None:
        self._names = names
        self._pool = np.sort(np.asarray(pool, dtype=np.int64))
        if len(twice := self._pool[1:][np.diff(self._pool) == 0]):
            raise ValueError(f"ids occur twice in the pool: {_few(twice)}")
        self._state = np.full(len(self._pool), _FREE, dtype=np.int8)
        self._asked_in = np.full(len(self._pool), -1, dtype=np.int64)  # one that was skipped may come again
        self._batches: list[Batch] = []
        self._pending: dict[int, int] = {}  # batches that are not answered yet, and how many images of each
        self._where: dict[int, tuple[int, int]] = {}  # batch and place of each image that was asked for
        self._history: dict[int, list[Told]] = {}
        self._standing: dict[int, Answer] = {}
        self._again: dict[int, None] = {}  # waits for a second look, in order
        self._again_of, self._again_after = 0, -1
        self._added: list[str] = []
        self._lock = RLock()
        self._journal = journal
        self.lost: tuple[str, ...] = ()
        self._may_lose = may_lose
        if journal is not None:
            self._take_up(journal)

    @property
    def unlabelled(self) -> IntArray:
        """Ids that may be asked for, ascending: without a label, not pending, not told to be unsure."""
        return self._in_state(_FREE)

    @property
    def pending(self) -> IntArray:
        """Ids that are asked for and not answered yet: the earliest batch first, the best of each first."""
        with self._lock:
            unanswered = [self._open(self._batches[number]) for number in sorted(self._pending)]
            return np.concatenate([np.empty(0, dtype=np.int64), *unanswered])

    def pending_of(self, number: int) -> IntArray:
        """Return the ids of a batch that are not answered yet, best first; none of one that is to come."""
        with self._lock:
            return self._open(self._batches[number]) if number < len(self._batches) else np.empty(0, dtype=np.int64)

    @property
    def labelled(self) -> tuple[IntArray, list[Label]]:
        """Ids (m,) of the images with a label, in the order in which they were first told, and their labels (m)."""
        with self._lock:
            found = {number: answer for number, answer in self._standing.items() if not isinstance(answer, NoLabel)}
        return np.array(list(found), dtype=np.int64), list(found.values())

    @property
    def unsure(self) -> IntArray:
        """Ids that were told to be unsure, ascending."""
        return self._in_state(_UNSURE)

    @property
    def counts(self) -> Counts:
        """How many images are unlabelled, pending, labelled, unsure."""
        return Counts(*np.bincount(self._state, minlength=len(Counts._fields)).tolist())

    @property
    def again(self) -> IntArray:
        """Ids that wait for a second look, in the order in which they are asked for."""
        with self._lock:
            return np.array(list(self._again), dtype=np.int64)

    @property
    def again_of(self) -> int:
        """How many images waited for a second look when some were last asked for."""
        return self._again_of

    @property
    def again_after(self) -> int:
        """The latest batch after which images were asked for a second time, -1 for none."""
        return self._again_after

    @property
    def open_batches(self) -> int:
        """How many batches are not answered yet, or not all of their images."""
        return len(self._pending)

    @property
    def first_open(self) -> Batch | None:
        """The earliest batch that is not answered yet, None where all are."""
        with self._lock:
            return self._batches[min(self._pending)] if self._pending else None

    @property
    def added(self) -> tuple[str, ...]:
        """Names of the classes or labels that were added, in order."""
        return tuple(self._added)

    @property
    def batches(self) -> tuple[Batch, ...]:
        """All batches that were asked for, the starting set first."""
        return tuple(self._batches)

    def history(self, number: int) -> tuple[Told, ...]:
        """Return all answers for an image, the first one first."""
        return tuple(self._history.get(number, ()))

    def answer(self, number: int) -> Answer | None:
        """Return the answer that stands for an image, None without one."""
        return self._standing.get(number)

    def where(self, number: int) -> tuple[Batch, int] | None:
        """Return the batch that has asked for an image last, and the image's place in it; None if none has."""
        with self._lock:
            if number not in self._where:
                return None
            batch, place = self._where[number]
            return self._batches[batch], place

    def may_be_asked(self, number: int) -> bool:
        """Return whether an image of the pool is unlabelled, and neither pending nor told to be unsure."""
        return self._state_of(number) == _FREE

    def is_pending(self, number: int) -> bool:
        """Return whether an image is asked for and not answered yet."""
        return self._state_of(number) == _ASKED

    def ask(self, choose: Choose | None = None, ahead: int = 0) -> Batch:
        """Return the last batch that is pending; where no more than ``ahead`` are, the one that is chosen now.

        A batch stays whole until all of it is told: ``pending`` says which of its images are not answered yet.

        Args:
            choose: chooses among the unlabelled images; not called while more than ``ahead`` batches are pending.
            ahead: batches that may be pending while a further one is chosen.

        Raises:
            ValueError: nothing is pending and nobody chooses; or the choice is empty, names an image twice or one
                that may not be asked for, or has predictions of some of its images only. Then nothing is asked.
        """
        with self._lock:
            if len(self._pending) > ahead:
                return self._batches[-1]
            unlabelled = self.unlabelled
        if choose is None:
            raise ValueError("no batch is pending, and nobody chooses one")
        selection = choose(unlabelled)  # takes long, and others tell meanwhile
        ids, scores = np.array(selection.ids, dtype=np.int64), np.array(selection.scores, dtype=np.float64)
        said = tuple(selection.predictions)
        if said and len(said) != len(ids):
            raise ValueError(f"{len(said)} predictions of {len(ids)} images")
        with self._lock:
            taken = np.isin(ids, unlabelled) & ~np.isin(ids, self.unlabelled)
            if taken.any():  # meanwhile: a part was labelled as a whole, a skip undone
                if taken.all():
                    return self._batches[-1]
                ids, scores = ids[~taken], scores[~taken]
                said = tuple(each for each, is_taken in zip(said, taken, strict=bool(said)) if not is_taken)
            self._check_choice(ids)
            images = [self._names[number] for number in ids]
            kept = [None if np.isnan(score) else float(score) for score in scores]
            predicted = [[_as_json(each.label), each.confidence] for each in said]
            self._keep({"asked": images, "scores": kept, **({"predicted": predicted} if said else {})})
            return self._ask(ids, scores, said)

    def join(self, ids: IntArray, number: int) -> None:
        """Ask for further images with a batch that was asked for: views of a part that is labelled as a whole.

        Args:
            ids: int64 (k,), unlabelled.
            number: of the batch.

        Raises:
            ValueError: there is no such batch, or an image may not be asked for.
        """
        with self._lock:
            if not 0 <= number < len(self._batches):
                raise ValueError(f"there is no batch {number}")
            self._check_choice(ids)
            self._keep({"joined": [self._names[each] for each in ids], "batch": number})
            self._join(ids, number)

    def ask_again(self, ids: IntArray, number: int) -> None:
        """Ask for images a second time, to see whether the answer is the same.

        They wait, as ``again``, until anything is told of them. Answers to second looks are told beside those that
        stand.

        Args:
            ids: int64 (k,), told before; those that wait already keep their place.
            number: of the batch after which they are asked for.

        Raises:
            ValueError: an image was never told, or there is no such batch. Then nothing is asked.
        """
        with self._lock:
            self._check_again(ids, number)
            self._keep({"again": [self._names[each] for each in ids], "batch": number})
            self._ask_again(ids, number)

    def add(self, name: str) -> None:
        """Take up a further class or label.

        Raises:
            ValueError: it was added before.
        """
        with self._lock:
            if name in self._added:
                raise ValueError(f"{name} was added before")
            self._keep({"added": name})
            self._added.append(name)

    def tell(
        self, answers: Mapping[int, Answer], about: Mapping[str, Any] | None = None, stands: bool = True
    ) -> None:
        """Take answers, by id, for images that were asked for; a later answer corrects an earlier one.

        Args:
            answers: a label, unsure or skip for each image; images of a batch may be told one by one.
            about: what else is known of these answers, as JSON has it.
            stands: whether they are the images' answers; False keeps them beside those that are.

        Raises:
            ValueError: an image was never asked for, or an answer is none. Then nothing is told.
        """
        with self._lock:
            self._check_answers(answers)
            if answers:
                told = {self._names[number]: _as_json(answer) for number, answer in answers.items()}
                known = dict(about or {})  # callers may change theirs
                beside = {} if stands else {"stands": False}
                self._keep({"told": told, **({"about": known} if known else {}), **beside})
                self._tell(answers, known, stands)

    def _open(self, batch: Batch) -> IntArray:
        places = self._places(batch.ids)
        pending: IntArray = batch.ids[(self._state[places] == _ASKED) & (self._asked_in[places] == batch.number)]
        return pending

    def _ask(self, ids: IntArray, scores: FloatArray, predictions: tuple[Prediction, ...]) -> Batch:
        batch = Batch(len(self._batches), ids, scores, predictions)
        for array in (ids, scores):
            array.flags.writeable = False  # callers hold it
        self._batches.append(batch)
        self._where |= {each: (batch.number, place) for place, each in enumerate(ids.tolist())}
        self._mark_asked(ids, batch.number)
        return batch

    def _join(self, ids: IntArray, number: int) -> None:
        if not 0 <= number < len(self._batches):
            raise ValueError(f"there is no batch {number}")
        batch = self._batches[number]
        new = ids[~np.isin(ids, batch.ids)]  # the others were skipped there before, and keep their place
        scores = np.concatenate([batch.scores, np.full(len(new), np.nan)])
        self._batches[number] = replace(batch, ids=np.concatenate([batch.ids, new]), scores=scores)
        places = {each: place for place, each in enumerate(self._batches[number].ids.tolist())}
        self._where |= {each: (number, places[each]) for each in ids.tolist()}
        self._mark_asked(ids, number)

    def _mark_asked(self, ids: IntArray, number: int) -> None:
        places = self._places(ids)
        self._state[places], self._asked_in[places] = _ASKED, number
        if len(ids):
            self._pending[number] = self._pending.get(number, 0) + len(ids)

    def _ask_again(self, ids: IntArray, number: int) -> None:
        self._again |= dict.fromkeys(ids.tolist())
        self._again_of, self._again_after = len(self._again), max(self._again_after, number)

    def _tell(self, answers: Mapping[int, Answer], about: Mapping[str, Any], stands: bool) -> None:
        if stands:
            places = self._places(np.array(list(answers), dtype=np.int64))
            for number in self._asked_in[places[self._state[places] == _ASKED]].tolist():
                self._pending[number] -= 1
                if not self._pending[number]:
                    del self._pending[number]
            self._state[places] = [_STATES.get(answer, _LABELLED) for answer in answers.values()]
            self._standing |= answers
        for number, answer in answers.items():
            self._history.setdefault(number, []).append(Told(answer, about, stands))
            self._again.pop(number, None)

    def _check_choice(self, ids: IntArray) -> None:
        values, counts = np.unique(ids, return_counts=True)
        if len(ids) == 0:
            raise ValueError("the batch is empty")
        if len(unknown := values[~np.isin(values, self._pool)]):
            raise ValueError(f"ids that are not in the pool: {_few(unknown)}")
        if len(twice := values[counts > 1]):
            raise ValueError(f"ids that occur twice in the batch: {_few(twice)}")
        if len(taken := values[self._state[self._places(values)] != _FREE]):
            raise ValueError(f"ids that are asked for or answered already: {_few(taken)}")

    def _check_answers(self, answers: Mapping[int, Answer]) -> None:
        for number, answer in answers.items():
            is_free = self._state_of(number) in (None, _FREE)
            if is_free and number not in self._history:  # one that was skipped is free again
                raise ValueError(f"the image with id {number} was never asked for")
            is_list = isinstance(answer, tuple) and all(isinstance(name, str) for name in answer)
            if not (is_list or isinstance(answer, str | NoLabel)):
                raise ValueError(f"the answer for the image with id {number} is no label: {answer!r}")

    def _check_again(self, ids: IntArray, number: int) -> None:
        if not 0 <= number < len(self._batches):
            raise ValueError(f"there is no batch {number}")
        if untold := [each for each in ids.tolist() if each not in self._history]:
            raise ValueError(f"ids that were never told: {_few(np.array(untold))}")

    def _state_of(self, number: int) -> int | None:
        """Return the state of an image, None of one that is not in the pool."""
        place = int(np.searchsorted(self._pool, number))
        is_there = place < len(self._pool) and self._pool[place] == number
        return int(self._state[place]) if is_there else None

    def _in_state(self, state: int) -> IntArray:
        ids: IntArray = self._pool[self._state == state]
        return ids

    def _places(self, ids: IntArray) -> IntArray:
        return np.searchsorted(self._pool, ids)

    def _keep(self, record: Mapping[str, Any]) -> None:
        if self._journal is not None:
            self._journal.add(record)

    def _take_up(self, journal: Journal) -> None:
        """Ask and tell what the journal holds."""
        records = journal.read()
        if not records:
            return
        for line, record in enumerate(records, start=2):
            if not _is_record(record):
                raise journal.damage(line, "nothing that was asked or told")
        known = {self._names[number]: number for number in self._pool.tolist()}
        keys = ("asked", "joined", "told")  # nothing else is asked for again
        images = (name for record in records for key in keys for name in record.get(key, ()))
        self.lost = tuple(name for name in dict.fromkeys(images) if name not in known)
        if (lost := self.lost) and not self._may_lose:
            few = ", ".join(lost[:20]) + (f", … ({len(lost)})" if len(lost) > 20 else "")
            raise UserError(f"{journal.path} names images that are not in the pool of the data of now: {few}")
        for line, record in enumerate(records, start=2):
            try:
                self._take_up_record(record, known)
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise journal.damage(line, error) from None

    def _take_up_record(self, record: Mapping[str, Any], known: Mapping[str, int]) -> None:
        if "asked" in record:
            there = [place for place, name in enumerate(record["asked"]) if name in known]
            ids = np.array([known[record["asked"][place]] for place in there], dtype=np.int64)
            scores = [np.nan if record["scores"][place] is None else record["scores"][place] for place in there]
            if len(ids) or not record["asked"]:  # else all of them are lost, and the batch keeps its number
                self._check_choice(ids)
            said = record.get("predicted", ())  # earlier versions kept none
            predictions = tuple(Prediction(_label(said[place][0]), said[place][1]) for place in there if said)
            self._ask(ids, np.array(scores, dtype=np.float64), predictions)
        elif "joined" in record:
            ids = np.array([known[name] for name in record["joined"] if name in known], dtype=np.int64)
            if len(ids):
                self._check_choice(ids)
            self._join(ids, int(record["batch"]))
        elif "again" in record:
            ids = np.array([known[name] for name in record["again"] if name in known], dtype=np.int64)
            self._check_again(ids, record["batch"])
            self._ask_again(ids, record["batch"])
        elif "added" in record:
            self._added.append(record["added"])
        else:
            answers = {known[name]: _from_json(answer) for name, answer in record["told"].items() if name in known}
            self._check_answers(answers)
            self._tell(answers, record.get("about", {}), record.get("stands", True))


_STATES: Mapping[Answer, int] = {NoLabel.UNSURE: _UNSURE, NoLabel.SKIP: _FREE}


def _is_record(record: Mapping[str, Any]) -> bool:
    """Return whether a record has the form of one that a session keeps."""
    match record:
        case {"asked": list(images), "scores": list(scores), **more}:
            is_named = all(isinstance(name, str) for name in images)
            is_scored = all(score is None or isinstance(score, int | float) for score in scores)
            said = more.pop("predicted", [])
            are_said = isinstance(said, list) and len(said) in (0, len(images)) and all(map(_is_prediction, said))
            return is_named and is_scored and len(images) == len(scores) and are_said and not more
        case {"joined": list(images), "batch": int(), **more} | {"again": list(images), "batch": int(), **more}:
            return all(isinstance(name, str) for name in images) and not more
        case {"added": str(), **more}:
            return not more
        case {"told": dict(), **more}:
            is_known = more.keys() <= {"about", "stands"} and isinstance(more.get("stands", True), bool)
            return is_known and isinstance(more.get("about", {}), dict)
    return False


def _is_prediction(said: Any) -> bool:
    """Return whether something is a label and a confidence, as a session keeps them of a queried image."""
    match said:
        case [str(), int() | float()]:
            return True
        case [list(labels), int() | float()]:
            return all(isinstance(label, str) for label in labels)
    return False


def _as_json(answer: Answer) -> Any:
    if isinstance(answer, NoLabel):
        return {"answer": answer.value}
    return answer if isinstance(answer, str) else list(answer)


def _from_json(answer: Any) -> Answer:
    if isinstance(answer, dict):
        return NoLabel(answer["answer"])
    return _label(answer)


def _label(said: Any) -> Label:
    return said if isinstance(said, str) else tuple(said)


def _few(ids: IntArray) -> str:
    return ", ".join(str(number) for number in ids[:20]) + (f" … ({len(ids)})" if len(ids) > 20 else "")
