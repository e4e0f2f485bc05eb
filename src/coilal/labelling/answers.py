"""What people have told: two sessions, that of the audit set and that of the pool, and who contradicts whom."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from coilal.active.labels import Answer, Label, NoLabel, as_text
from coilal.active.session import Session, Told
from coilal.common.types import IntArray, Kind
from coilal.labelling.contract import NotAskedError, Stage

TABLE = "table"
"""Who told what a label table says; people correct it without contradicting anybody."""


class Answers:
    """The answers of a labelling session; callers hold the desk's lock.

    Args:
        audit: asks for the audit set.
        pool: asks for what is learnt from.
        audit_ids: dataset-global ids of the audit set.
    """

    def __init__(self, audit: Session, pool: Session, audit_ids: IntArray) -> None:
        self.audit, self.pool = audit, pool
        self._audited = set(audit_ids.tolist())
        self.when: dict[int, float] = {}
        self.conflicts: dict[int, None] = {}
        self.seconds: list[float] = []
        self._timed = 0  # images that these seconds were for
        told = [(each, number) for number in self._numbers() for each in self.session_of(number).history(number)]
        decisions: set[tuple[str, str]] = set()
        for each, number in sorted(told, key=lambda pair: str(pair[0].about.get("when", ""))):
            decision = (str(each.about.get("when")), str(each.about.get("part", number)))
            self._count(number, each, is_decision=decision not in decisions)
            decisions.add(decision)

    @property
    def seconds_per_image(self) -> float | None:
        """Return the mean seconds an image, a whole part being one decision; None before anything is known."""
        return sum(self.seconds) / self._timed if self._timed else None

    def session_of(self, number: int) -> Session:
        """Return the session that asks for an image."""
        return self.audit if number in self._audited else self.pool

    def standing(self, number: int) -> Answer | None:
        """Return the answer that stands for an image, None without one."""
        return self.session_of(number).answer(number)

    def label(self, number: int) -> Label | None:
        """Return the label of an image, None without one."""
        answer = self.standing(number)
        return None if isinstance(answer, NoLabel) else answer

    def tell(self, numbers: Sequence[int], answer: Answer, about: Mapping[str, Any]) -> str | None:
        """Keep an answer for images of one session, and wait until it is on the disk.

        Of an image that somebody else has told, another answer is a conflict: it is kept beside the first one,
        which counts, until anybody tells the image once more and so decides.

        Returns:
            What somebody else had told of the image, where that differs; else None.

        Raises:
            NotAskedError: an image was never asked for.
            UserError: the disk refuses it.
        """
        session, first = self.session_of(numbers[0]), numbers[0]
        known = {**about, "when": datetime.now(UTC).isoformat(timespec="milliseconds")}
        other = self._other(first, answer, str(about["who"])) if len(numbers) == 1 else None
        if other is not None:
            known["conflict"] = True
        repeats = about["stage"] == "again" or self._agrees(first, answer, str(about["who"]))
        stands = other is None and (len(numbers) > 1 or not repeats)
        try:
            session.tell(dict.fromkeys(numbers, answer), known, stands)
        except ValueError as error:
            raise NotAskedError(str(error)) from None
        for place, number in enumerate(numbers):
            told = session.history(number)[-1]
            self._count(number, told, is_decision=place == 0)
        return other

    def with_same_decision(self, number: int, who: str, part: Sequence[int]) -> set[int]:
        """Return the views of a part whose label is from the same decision of this person as that of an image.

        Args:
            number: of the image.
            who: the person.
            part: all views.
        """
        decision = self._decision(number)
        if decision is None or decision[0] != who:
            return set()
        return {view for view in part if self._decision(view) == decision}

    def _decision(self, number: int) -> tuple[str, str] | None:
        """Return who decided on a whole part, and when; None where the label is not from such a decision."""
        standing = [told for told in self.session_of(number).history(number) if told.stands]
        if not standing or "part" not in standing[-1].about:
            return None
        return str(standing[-1].about["who"]), str(standing[-1].about["when"])

    def was_told(self, number: int, answer: Answer, who: str) -> bool:
        """Return whether the last answer of a person for an image was this one, whatever became of it."""
        own = [told.answer for told in self.session_of(number).history(number) if told.about.get("who") == who]
        return bool(own) and own[-1] == answer

    def history(self, number: int) -> list[str]:
        """Return all answers for an image as text, the first one first."""
        return [
            f"{each.about.get('who', '?')}: {answer_text(each.answer)}"
            + (" (contradicts)" if each.about.get("conflict") else "")
            + (" (asked again)" if each.about.get("stage") == "again" else "")
            for each in self.session_of(number).history(number)
        ]

    def stage(self, number: int) -> Stage:
        """Return why an image is asked for."""
        return "audit" if number in self._audited else "batch"

    def _numbers(self) -> Iterator[int]:
        yield from self._audited
        yield from (number for batch in self.pool.batches for number in batch.ids.tolist())

    def _count(self, number: int, told: Told, is_decision: bool = True) -> None:
        when = told.about.get("when")
        self.when[number] = datetime.fromisoformat(when).timestamp() if when else time.time()
        if told.about.get("conflict"):
            self.conflicts[number] = None
        elif told.stands:
            self.conflicts.pop(number, None)
        if (seconds := told.about.get("seconds")) is not None:
            self._timed += 1
            if is_decision:
                self.seconds.append(float(seconds))

    def _other(self, number: int, answer: Answer, who: str) -> str | None:
        """Return what somebody else has told that an answer contradicts."""
        standing = [told for told in self.session_of(number).history(number) if told.stands]
        if not standing or number in self.conflicts or standing[-1].about.get("who") in (who, TABLE):
            return None
        before = standing[-1].answer
        return None if before == answer or before is NoLabel.SKIP else answer_text(before)

    def _agrees(self, number: int, answer: Answer, who: str) -> bool:
        """Return whether an answer repeats what somebody else has told."""
        standing = [told for told in self.session_of(number).history(number) if told.stands]
        if not standing or answer is NoLabel.SKIP:  # a second person may skip what is asked again
            return False
        return standing[-1].answer == answer and standing[-1].about.get("who") != who


def answer_text(answer: Answer) -> str:
    """Return an answer as people read it."""
    return answer.value if isinstance(answer, NoLabel) else as_text(answer)


def check_answer(answer: Answer, classes: Sequence[str], kind: Kind) -> None:
    """Refuse an answer that cannot be one.

    Raises:
        NotAskedError: it is a label of the other kind, or names what is none of the classes.
    """
    if isinstance(answer, NoLabel):
        return
    if isinstance(answer, str) != (kind == "multiclass"):
        wanted = "one class" if kind == "multiclass" else "a list of labels"
        raise NotAskedError(f"the answer must be {wanted}, not {answer!r}")
    names = (answer,) if isinstance(answer, str) else answer
    if unknown := [name for name in names if name not in classes]:
        raise NotAskedError(f"no class is named {', '.join(unknown)}; there are {', '.join(classes)}")
    if len(set(names)) < len(names):
        raise NotAskedError(f"a label is named twice: {', '.join(names)}")
