"""The session: what is labelled and what is asked for; labels reach training by no other way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
    """

    answer: Answer
    about: Mapping[str, Any] = field(default_factory=dict)


class Session:
    """Asks for images and is told labels: the simulated oracle, a page and a table are callers of ``tell``.

    With a journal everything that was asked or told is on the disk before the call returns; a session on the same
    journal goes on where the one before was killed, with the same pending batch.

    Args:
        names: image names by dataset-global id (N), unique: what the journal knows images by.
        pool: int64 (n,), dataset-global ids of the images that may be asked for.
        journal: where it is kept; None for a session that lives in memory.

    Raises:
        ValueError: an id occurs twice in the pool.
        UserError: the journal is damaged, or names images that are not in the pool (any more).
    """

    def __init__(self, names: Sequence[str], pool: IntArray, journal: Journal | None = None) -> None:
        self._names = names
        self._pool = np.sort(np.asarray(pool, dtype=np.int64))
        if len(twice := self._pool[1:][np.diff(self._pool) == 0]):
            raise ValueError(f"ids occur twice in the pool: {_few(twice)}")
        self._state = np.full(len(self._pool), _FREE, dtype=np.int8)
        self._batches: list[Batch] = []
        self._history: dict[int, list[Told]] = {}
        self._journal = journal
        if journal is not None:
            self._take_up(journal)

    @property
    def unlabelled(self) -> IntArray:
        """Ids that may be asked for, ascending: without a label, not pending, not told to be unsure."""
        return self._in_state(_FREE)

    @property
    def pending(self) -> IntArray:
        """Ids of the last batch that are not answered yet, best first."""
        if not self._batches:
            return np.empty(0, dtype=np.int64)
        ids = self._batches[-1].ids
        pending: IntArray = ids[self._state[self._places(ids)] == _ASKED]
        return pending

    @property
    def labelled(self) -> tuple[IntArray, list[Label]]:
        """Ids (m,) of the images with a label, in the order in which they were first told, and their labels (m)."""
        labels = {number: told[-1].answer for number, told in self._history.items()}
        found = {number: answer for number, answer in labels.items() if not isinstance(answer, NoLabel)}
        return np.array(list(found), dtype=np.int64), list(found.values())

    @property
    def unsure(self) -> IntArray:
        """Ids that were told to be unsure, ascending."""
        return self._in_state(_UNSURE)

    @property
    def batches(self) -> tuple[Batch, ...]:
        """All batches that were asked for, the starting set first."""
        return tuple(self._batches)

    def history(self, number: int) -> tuple[Told, ...]:
        """Return all answers for an image, the first one first."""
        return tuple(self._history.get(number, ()))

    def ask(self, choose: Choose | None = None) -> Batch:
        """Return the pending batch; where nothing is pending, the one that is chosen now.

        A batch stays whole until all of it is told: ``pending`` says which of its images are not answered yet.

        Args:
            choose: chooses among the unlabelled images; not called while a batch is pending.

        Raises:
            ValueError: nothing is pending and nobody chooses; or the choice is empty, names an image twice or one
                that may not be asked for. Then nothing is asked.
        """
        if len(self.pending):
            return self._batches[-1]
        if choose is None:
            raise ValueError("no batch is pending, and nobody chooses one")
        selection = choose(self.unlabelled)
        ids, scores = np.array(selection.ids, dtype=np.int64), np.array(selection.scores, dtype=np.float64)
        self._check_choice(ids)
        images = [self._names[number] for number in ids]
        self._keep({"asked": images, "scores": [None if np.isnan(score) else float(score) for score in scores]})
        return self._ask(ids, scores)

    def tell(self, answers: Mapping[int, Answer], about: Mapping[str, Any] | None = None) -> None:
        """Take answers, by id, for images that were asked for; a later answer corrects an earlier one.

        Args:
            answers: a label, unsure or skip for each image; images of a batch may be told one by one.
            about: what else is known of these answers, as JSON has it.

        Raises:
            ValueError: an image was never asked for, or an answer is none. Then nothing is told.
        """
        self._check_answers(answers)
        if answers:
            told = {self._names[number]: _as_json(answer) for number, answer in answers.items()}
            known = dict(about or {})  # callers may change theirs
            self._keep({"told": told, **({"about": known} if known else {})})
            self._tell(answers, known)

    def _ask(self, ids: IntArray, scores: FloatArray) -> Batch:
        batch = Batch(len(self._batches), ids, scores)
        for array in (ids, scores):
            array.flags.writeable = False  # callers hold it
        self._batches.append(batch)
        self._state[self._places(ids)] = _ASKED
        return batch

    def _tell(self, answers: Mapping[int, Answer], about: Mapping[str, Any]) -> None:
        states = [_STATES.get(answer, _LABELLED) for answer in answers.values()]
        self._state[self._places(np.array(list(answers), dtype=np.int64))] = states
        for number, answer in answers.items():
            self._history.setdefault(number, []).append(Told(answer, about))

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
        images = (name for record in records for name in (*record.get("asked", ()), *record.get("told", ())))
        if lost := [name for name in dict.fromkeys(images) if name not in known]:
            few = ", ".join(lost[:20]) + (f", … ({len(lost)})" if len(lost) > 20 else "")
            raise UserError(f"{journal.path} names images that are not in the pool of the data of now: {few}")
        for line, record in enumerate(records, start=2):
            try:
                self._take_up_record(record, known)
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise journal.damage(line, error) from None

    def _take_up_record(self, record: Mapping[str, Any], known: Mapping[str, int]) -> None:
        if "asked" in record:
            ids = np.array([known[name] for name in record["asked"]], dtype=np.int64)
            scores = [np.nan if score is None else float(score) for score in record["scores"]]
            if len(self.pending):
                raise ValueError("a batch is asked for while another one is pending")
            self._check_choice(ids)
            self._ask(ids, np.array(scores, dtype=np.float64))
        else:
            answers = {known[name]: _from_json(answer) for name, answer in record["told"].items()}
            self._check_answers(answers)
            self._tell(answers, record.get("about", {}))


_STATES: Mapping[Answer, int] = {NoLabel.UNSURE: _UNSURE, NoLabel.SKIP: _FREE}


def _is_record(record: Mapping[str, Any]) -> bool:
    """Return whether a record has the form of one that a session keeps."""
    match record:
        case {"asked": list(images), "scores": list(scores), **more}:
            is_named = all(isinstance(name, str) for name in images)
            is_scored = all(score is None or isinstance(score, int | float) for score in scores)
            return is_named and is_scored and len(images) == len(scores) and not more
        case {"told": dict(), **more}:
            return more.keys() <= {"about"} and isinstance(more.get("about", {}), dict)
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
