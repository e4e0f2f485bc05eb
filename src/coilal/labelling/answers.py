"""What people have told: two sessions, that of the audit set and that of the pool, and who contradicts whom."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from coilal.active.labels import Answer, Label, NoLabel, as_text
from coilal.active.session import Session, Told
from coilal.common.types import Kind
from coilal.labelling.contract import NotAskedError, Stage
from coilal.labelling.images import Images

TABLE = "table"
"""Who told what a label table says; people correct it without contradicting anybody."""


class Answers:
    """The answers of a labelling session; callers hold the desk's lock.

    Args:
        audit: asks for the audit set.
        pool: asks for what is learnt from.
        images: what there is to label.

    Attributes:
        when: seconds since 1970 at which each image was told of last, 0 where nobody knows.
        conflicts: images that were told differently by two people.
        changed: images that show something else than when they were told of last.
        seconds: of each decision.
    """

    def __init__(self, audit: Session, pool: Session, images: Images) -> None:
        self.audit, self.pool = audit, pool
        self._audited = set(images.audit.tolist())
        self._names, self._digests = images.samples.names, images.decoded.digests
        self.when: dict[int, float] = {}
        self.conflicts: dict[int, None] = {}
        self.changed: dict[int, None] = {}
        self.seconds: list[float] = []
        self._sorted: list[float] = []
        self._timed = 0  # images that they were for
        self._sent: set[str] = set()
        told = [(each, number) for number in self._numbers() for each in self.session_of(number).history(number)]
        decisions: set[tuple[str, str]] = set()
        for each, number in sorted(told, key=lambda pair: str(pair[0].about.get("when", ""))):
            decision = (str(each.about.get("when")), str(each.about.get("part")))
            self._count(number, each, is_decision="part" not in each.about or decision not in decisions)
            decisions.add(decision)

    @property
    def seconds_per_image(self) -> float | None:
        """Return the seconds an image, a whole part being one decision; None before anything is known.

        By the median decision, as people are called away with an image on the screen.
        """
        if not self._sorted:
            return None
        count = len(self._sorted)
        middle = (self._sorted[(count - 1) // 2] + self._sorted[count // 2]) / 2
        return middle * count / self._timed

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
        which counts, until anybody tells the image once more and so decides. Who skips contradicts nobody.

        Returns:
            What somebody else had told of the image, where that differs; else None.

        Raises:
            NotAskedError: an image was never asked for.
            UserError: the disk refuses it.
        """
        session, first = self.session_of(numbers[0]), numbers[0]
        known = {**about, **self._now(numbers)}
        other = self._other(first, answer, str(about["who"])) if len(numbers) == 1 else None
        if other is not None:
            known["conflict"] = True
        repeats = about["stage"] == "again" or self._adds_nothing(first, answer, str(about["who"]))
        stands = other is None and (len(numbers) > 1 or not repeats)
        try:
            session.tell(dict.fromkeys(numbers, answer), known, stands)
        except ValueError as error:
            raise NotAskedError(str(error)) from None
        self._count_last(numbers)
        return other

    def tell_table(self, labels: Mapping[int, Label]) -> None:
        """Keep the labels that a table gives of images of the pool that were asked for, by id.

        Raises:
            UserError: the disk refuses it.
        """
        numbers = list(labels)
        self.pool.tell(labels, {"who": TABLE, "stage": "batch", **self._now(numbers)})
        self._count_last(numbers)

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
        standing = self._standing(number)
        if standing is None or "part" not in standing.about:
            return None
        return str(standing.about["who"]), str(standing.about["when"])

    def was_told(self, number: int, answer: Answer, who: str) -> bool:
        """Return whether the last answer of a person for an image was this one, whatever became of it."""
        own = [told.answer for told in self.session_of(number).history(number) if told.about.get("who") == who]
        return bool(own) and own[-1] == answer

    def was_sent(self, sent: str) -> bool:
        """Return whether an answer with this id of its sender is kept."""
        return sent in self._sent

    def author(self, number: int) -> str:
        """Return who has told the answer that stands for an image, "" without one."""
        standing = self._standing(number)
        return "" if standing is None else str(standing.about.get("who", "?"))

    def others(self, number: int) -> list[str]:
        """Return all answers for an image but the one that stands, as text, the first one first."""
        standing = self._standing(number)
        return [_in_words(each) for each in self.session_of(number).history(number) if each is not standing]

    def stage(self, number: int) -> Stage:
        """Return why an image is asked for."""
        return "audit" if number in self._audited else "batch"

    def _numbers(self) -> Iterator[int]:
        yield from self._audited
        asked = (number for batch in self.pool.batches for number in batch.ids.tolist())
        yield from dict.fromkeys(asked)  # what was skipped may be asked for in several batches

    def _now(self, numbers: Sequence[int]) -> dict[str, Any]:
        """Return what is kept with each answer for these images: when it was given, and what they showed."""
        content = {self._names[number]: self._content(number) for number in numbers}
        return {"when": datetime.now(UTC).isoformat(timespec="milliseconds"), "content": content}

    def _content(self, number: int) -> str:
        """Return the digest of an image's pixels, as text."""
        return f"{int(self._digests[number]):016x}"

    def _count_last(self, numbers: Sequence[int]) -> None:
        session = self.session_of(numbers[0])
        for place, number in enumerate(numbers):
            self._count(number, session.history(number)[-1], is_decision=place == 0)

    def _count(self, number: int, told: Told, is_decision: bool) -> None:
        when = told.about.get("when")
        self.when[number] = datetime.fromisoformat(when).timestamp() if when else 0.0
        if sent := told.about.get("id"):
            self._sent.add(sent)
        content = told.about.get("content", {}).get(self._names[number])
        if content in (None, self._content(number)):
            self.changed.pop(number, None)
        else:
            self.changed[number] = None
        if told.about.get("conflict"):
            self.conflicts[number] = None
        elif told.stands:
            self.conflicts.pop(number, None)
        if (seconds := told.about.get("seconds")) is not None:
            self._timed += 1
            if is_decision:
                self.seconds.append(float(seconds))
                insort(self._sorted, float(seconds))

    def _standing(self, number: int) -> Told | None:
        """Return the answer that stands for an image, with what is known of it; None without one."""
        standing = [told for told in self.session_of(number).history(number) if told.stands]
        return standing[-1] if standing else None

    def _other(self, number: int, answer: Answer, who: str) -> str | None:
        """Return what somebody else has told that an answer contradicts."""
        standing = self._standing(number)
        if standing is None or number in self.conflicts or standing.about.get("who") in (who, TABLE):
            return None
        before = standing.answer
        return None if before == answer or NoLabel.SKIP in (before, answer) else answer_text(before)

    def _adds_nothing(self, number: int, answer: Answer, who: str) -> bool:
        """Return whether an answer repeats what somebody else has told, or passes over it."""
        standing = self._standing(number)
        if standing is None or standing.answer is NoLabel.SKIP:  # what was skipped may be skipped once more
            return False
        by = standing.about.get("who")
        if answer is NoLabel.SKIP:
            return by not in (who, TABLE)
        return answer == standing.answer and by != who and number not in self.conflicts  # else it decides


def _in_words(told: Told) -> str:
    """Return an answer and whose, as people read it."""
    return (
        f"{person_text(told.about.get('who', '?'))}: {answer_text(told.answer)}"
        + (" (contradicts)" if told.about.get("conflict") else "")
        + (" (asked again)" if told.about.get("stage") == "again" else "")
    )


def person_text(who: str) -> str:
    """Return who has answered, as people read it: a window without a name has a number, of which four digits do."""
    return f"no name {who[1:5]}" if who.startswith("#") else who


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
