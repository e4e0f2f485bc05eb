"""The session: what is labelled and what is asked for; labels reach training by no other way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import RLock
from typing import Any

import numpy as np

from coilal.active.journal import Journal
from coilal.active.labels import Answer, Label, NoLabel
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
    """

    number: int
    ids: IntArray
    scores: FloatArray


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
        self._history: dict[int, list[Told]] = {}
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
            return np.concatenate([np.empty(0, dtype=np.int64), *map(self._open, self._batches)])

    def pending_of(self, number: int) -> IntArray:
        """Return the ids of a batch that are not answered yet, best first; none of one that is to come."""
        with self._lock:
            return self._open(self._batches[number]) if number < len(self._batches) else np.empty(0, dtype=np.int64)

    @property
    def labelled(self) -> tuple[IntArray, list[Label]]:
        """Ids (m,) of the images with a label, in the order in which they were first told, and their labels (m)."""
        with self._lock:
            answers = [(number, self.answer(number)) for number in self._history]
        found = {
            number: answer for number, answer in answers if answer is not None and not isinstance(answer, NoLabel)
        }
        return np.array(list(found), dtype=np.int64), list(found.values())

    @property
    def unsure(self) -> IntArray:
        """Ids that were told to be unsure, ascending."""
        return self._in_state(_UNSURE)

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
        standing = [told.answer for told in self._history.get(number, ()) if told.stands]
        return standing[-1] if standing else None

    def ask(self, choose: Choose | None = None, ahead: int = 0) -> Batch:
        """Return the last batch that is pending; where no more than ``ahead`` are, the one that is chosen now.

        A batch stays whole until all of it is told: ``pending`` says which of its images are not answered yet.

        Args:
            choose: chooses among the unlabelled images; not called while more than ``ahead`` batches are pending.
            ahead: batches that may be pending while a further one is chosen.

        Raises:
            ValueError: nothing is pending and nobody chooses; or the choice is empty, names an image twice or one
                that may not be asked for. Then nothing is asked.
        """
        with self._lock:
            if sum(len(self._open(batch)) > 0 for batch in self._batches) > ahead:
                return self._batches[-1]
            unlabelled = self.unlabelled
        if choose is None:
            raise ValueError("no batch is pending, and nobody chooses one")
        selection = choose(unlabelled)  # takes long, and others tell meanwhile
        ids, scores = np.array(selection.ids, dtype=np.int64), np.array(selection.scores, dtype=np.float64)
        with self._lock:
            taken = np.isin(ids, unlabelled) & ~np.isin(ids, self.unlabelled)
            if taken.any():  # meanwhile: a part was labelled as a whole, a skip undone
                if taken.all():
                    return self._batches[-1]
                ids, scores = ids[~taken], scores[~taken]
            self._check_choice(ids)
            images = [self._names[number] for number in ids]
            kept = [None if np.isnan(score) else float(score) for score in scores]
            self._keep({"asked": images, "scores": kept})
            return self._ask(ids, scores)

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

    def _ask(self, ids: IntArray, scores: FloatArray) -> Batch:
        batch = Batch(len(self._batches), ids, scores)
        for array in (ids, scores):
            array.flags.writeable = False  # callers hold it
        self._batches.append(batch)
        self._mark_asked(ids, batch.number)
        return batch

    def _join(self, ids: IntArray, number: int) -> None:
        if not 0 <= number < len(self._batches):
            raise ValueError(f"there is no batch {number}")
        batch = self._batches[number]
        scores = np.concatenate([batch.scores, np.full(len(ids), np.nan)])
        self._batches[number] = replace(batch, ids=np.concatenate([batch.ids, ids]), scores=scores)
        self._mark_asked(ids, number)

    def _mark_asked(self, ids: IntArray, number: int) -> None:
        places = self._places(ids)
        self._state[places], self._asked_in[places] = _ASKED, number

    def _tell(self, answers: Mapping[int, Answer], about: Mapping[str, Any], stands: bool) -> None:
        if stands:
            states = [_STATES.get(answer, _LABELLED) for answer in answers.values()]
            self._state[self._places(np.array(list(answers), dtype=np.int64))] = states
        for number, answer in answers.items():
            self._history.setdefault(number, []).append(Told(answer, about, stands))

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
        taken = self._pool[self._state != _FREE]
        asked = np.isin(np.array(list(answers), dtype=np.int64), taken).tolist()
        for (number, answer), is_asked in zip(answers.items(), asked, strict=True):
            if not is_asked and number not in self._history:  # one that was skipped is free again
                raise ValueError(f"the image with id {number} was never asked for")
            is_list = isinstance(answer, tuple) and all(isinstance(name, str) for name in answer)
            if not (is_list or isinstance(answer, str | NoLabel)):
                raise ValueError(f"the answer for the image with id {number} is no label: {answer!r}")

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
        keys = ("asked", "joined", "told")
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
            self._ask(ids, np.array(scores, dtype=np.float64))
        elif "joined" in record:
            ids = np.array([known[name] for name in record["joined"] if name in known], dtype=np.int64)
            if len(ids):
                self._check_choice(ids)
            self._join(ids, int(record["batch"]))
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
            return is_named and is_scored and len(images) == len(scores) and not more
        case {"joined": list(images), "batch": int(), **more}:
            return all(isinstance(name, str) for name in images) and not more
        case {"added": str(), **more}:
            return not more
        case {"told": dict(), **more}:
            is_known = more.keys() <= {"about", "stands"} and isinstance(more.get("stands", True), bool)
            return is_known and isinstance(more.get("about", {}), dict)
    return False


def _as_json(answer: Answer) -> Any:
    if isinstance(answer, NoLabel):
        return {"answer": answer.value}
    return answer if isinstance(answer, str) else list(answer)


def _from_json(answer: Any) -> Answer:
    if isinstance(answer, dict):
        return NoLabel(answer["answer"])
    return answer if isinstance(answer, str) else tuple(answer)


def _few(ids: IntArray) -> str:
    return ", ".join(str(number) for number in ids[:20]) + (f" … ({len(ids)})" if len(ids) > 20 else "")
