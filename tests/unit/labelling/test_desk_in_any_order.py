"""A desk in the hands of two people and three tabs, killed at any byte, beside a model that keeps dictionaries."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from coilal.active.labels import Answer, NoLabel
from coilal.common.types import UserError
from coilal.labelling import answers as answers_module
from coilal.labelling import desk as desks
from coilal.labelling.contract import NotAskedError, Receipt, Shown
from tests.unit.labelling.sessions import GROUPS, NAMES, ask, opened

AUDIT, POOL = range(9, 12), range(9)
TABS = ("eva#1", "eva#3", "max#2")
who = st.sampled_from(TABS)
answers = st.sampled_from(["ok", "dent", "ok", "dent", NoLabel.UNSURE, NoLabel.SKIP, NoLabel.SKIP])
End = float | str | None
"""What comes in between: a kill that leaves this share of what was written, a full disk, nothing."""
ends: st.SearchStrategy[End] = st.one_of(
    st.none(), st.none(), st.just("disk is full"), st.floats(0, 1), st.sampled_from([0.0, 0.999, 1.0])
)


@dataclass
class Image:
    """What the model knows of an image: all that was told, and what counts."""

    told: list[tuple[str, Answer, bool]] = field(default_factory=list)
    answer: Answer | None = None
    by: str = ""
    decision: int | None = None  # on a whole part
    is_conflict: bool = False
    batches: list[int] = field(default_factory=list)
    is_pending: bool = False

    def tell(self, name: str, answer: Answer, second_look: bool = False, decision: int | None = None) -> bool:
        """Take an answer as docs/labelling.md says; return whether it contradicts somebody."""
        is_other = self.answer not in (None, NoLabel.SKIP) and name != self.by
        differs = answer not in (self.answer, NoLabel.SKIP)
        contradicts = is_other and differs and not self.is_conflict
        stands = not second_look and (not is_other or (self.is_conflict and answer is not NoLabel.SKIP))
        if contradicts:
            self.is_conflict = True
        elif stands:
            self.is_conflict = False
        if stands:
            self.answer, self.by, self.decision, self.is_pending = answer, name, decision, False
        self.told.append((name, answer, stands))
        return contradicts


class Dates:
    """A clock in place of ``datetime``: no two answers come at the same moment."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 29)

    def now(self, zone: tzinfo) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at.replace(tzinfo=zone)

    fromisoformat = datetime.fromisoformat


class InAnyOrder(RuleBasedStateMachine):
    """What people, the learner and the machine do, in any order."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name)
        self.clock = 1000.0
        self.patches = ExitStack()
        clock = SimpleNamespace(monotonic=lambda: self.clock)
        self.patches.enter_context(mock.patch.object(desks, "time", clock))
        self.patches.enter_context(mock.patch.object(answers_module, "datetime", Dates()))
        self.patches.enter_context(mock.patch.object(os, "fsync"))
        self.start()
        self.images = [Image() for _ in NAMES]
        self.audit = self.there.audit.pending.tolist()
        for number in self.audit:
            self.images[number].batches, self.images[number].is_pending = [0], True
        assert sorted(self.audit) == list(AUDIT)
        self.batches: list[list[int]] = []
        self.again: list[int] = []
        self.again_after = -1
        self.classes = ["ok", "dent"]
        self.screen: dict[str, Shown] = {}
        self.held: dict[str, tuple[int, float]] = {}
        self.undo: dict[str, list[int]] = {}
        self.sent = self.decisions = 0  # answers, and decisions on whole parts

    def start(self) -> None:
        self.there = opened(self.path, reask=0.5)
        self.desk = self.there.desk

    # ---- the model

    def pending(self, number: int) -> list[int]:
        """Return what is not answered of a batch."""
        here = [each for each in self.batches[number] if self.images[each].batches[-1] == number]
        return [each for each in here if self.images[each].is_pending]

    def waiting(self) -> list[int]:
        of_audit = [number for number in self.audit if self.images[number].is_pending]
        return of_audit + self.again + [each for batch in range(len(self.batches)) for each in self.pending(batch)]

    def free(self) -> list[int]:
        return [
            number
            for number in POOL
            if not self.images[number].is_pending and self.images[number].answer in (None, NoLabel.SKIP)
        ]

    def taken(self, tab: str) -> set[int]:
        held = self.held.items()
        return {n for other, (n, since) in held if other != tab and self.clock - since < desks.HELD_S}

    def press(self, tab: str) -> None:
        if tab in self.held:
            number, _ = self.held.pop(tab)
            if number not in self.taken(tab):
                self.held[tab] = number, self.clock

    def told(self, tab: str, numbers: list[int], is_known: bool) -> None:
        """Note that images are answered, to a desk that knows by whom, and what is asked again for that."""
        if is_known:
            if self.held.get(tab, (None, 0))[0] in numbers:
                del self.held[tab]
            self.press(tab)
            stack = self.undo.setdefault(tab, [])
            self.undo[tab] = [number for number in stack if number not in numbers] + numbers[:1]
        self.again = [number for number in self.again if number not in numbers]
        self.look_again()

    def look_again(self) -> None:
        """Take over what the desk asks for a second time: where it may, and nothing that it may not."""
        found = self.there.pool.again.tolist()
        new = [number for number in found if number not in self.again]
        assert [number for number in found if number in self.again] == self.again
        finished = sum(not self.pending(number) for number in range(len(self.batches))) - 1
        is_due = finished >= 1 and finished > self.again_after
        assert is_due or not new
        earlier = {number for batch in self.batches[: max(0, finished)] for number in batch}
        labelled = {n for n in earlier if isinstance(self.images[n].answer, str) and n not in self.again}
        assert set(new) <= labelled
        if is_due:
            self.again_after = finished
            assert bool(new) == bool(labelled)
        self.again += new

    # ---- what people do

    @rule(tab=who, passes=st.booleans())
    def look(self, tab: str, passes: bool) -> None:
        """Ask for an image; a page that is left open does so, too."""
        before, taken, waiting = self.held.get(tab), self.taken(tab), self.waiting()
        after = before[0] if before and passes else None
        shown = self.desk.next(tab, after)
        free = [number for number in waiting if number not in taken]
        if shown is None:
            assert not free
            self.held.pop(tab, None)
            return
        assert shown.number in free
        if before and before[0] in free and not passes:
            assert shown.number == before[0]
        assert (shown.number != after) or free == [after]
        self.held[tab] = shown.number, before[1] if before and after is None else self.clock
        self.screen[tab] = shown
        assert (shown.stage == "again") == (shown.number in self.again)
        assert shown.answer == (None if shown.stage == "again" else self.images[shown.number].answer)
        assert 1 <= shown.place <= shown.of
        assert 0 <= shown.done < shown.of
        assert not set(self.desk.ahead(tab, 9)) & (taken | {shown.number})

    @rule(tab=who, other=who)
    def leave_and_come_back(self, tab: str, other: str) -> None:
        for each in (tab, other, tab):
            self.look(each, passes=False)
            self.clock += desks.HELD_S * (each == tab)

    @precondition(lambda self: self.screen)
    @rule(data=st.data(), answer=answers, ends=ends)
    def answer(self, data: st.DataObject, answer: Answer, ends: End) -> None:
        """Answer what is on the screen, however long it has been there."""
        tab = data.draw(st.sampled_from(sorted(self.screen)))
        self.tell(tab, self.screen.pop(tab), answer, ends)

    @precondition(lambda self: any(image.told for image in self.images))
    @rule(data=st.data(), tab=who, answer=answers, ends=ends)
    def correct(self, data: st.DataObject, tab: str, answer: Answer, ends: End) -> None:
        """Open an image that somebody has answered, and answer it anew."""
        known = [number for number, image in enumerate(self.images) if image.told]
        known += 3 * [number for number in known if self.images[number].is_conflict]
        self.open_and_tell(tab, data.draw(st.sampled_from(known)), answer, ends)

    @rule(tab=who, answer=answers)
    def take_back(self, tab: str, answer: Answer) -> None:
        """Open the image that this tab has answered last, and answer it anew."""
        number = self.desk.last(tab)
        stack = self.undo.get(tab, [])
        assert number == (stack.pop() if stack else None)
        self.press(tab)
        if number is not None:
            self.open_and_tell(tab, number, answer, None)

    def open_and_tell(self, tab: str, number: int, answer: Answer, ends: End) -> None:
        shown = self.desk.show(tab, number)
        self.press(tab)
        is_second = number in self.again and self.held.get(tab, (None, 0))[0] == number
        assert (shown.stage == "again") == is_second
        assert shown.answer == (None if is_second else self.images[number].answer)
        self.tell(tab, shown, answer, ends)

    def tell(self, tab: str, shown: Shown, answer: Answer, ends: End) -> None:
        number, is_second = shown.number, shown.stage == "again"

        def send(sent: str) -> Receipt:
            return self.desk.tell(tab, number, answer, 1.0, saw_guess=False, second_look=is_second, sent=sent)

        receipt = self.deliver(tab, [number], send, ends)
        contradicts = self.images[number].tell(tab[:3], answer, is_second)
        assert receipt is None or (receipt.conflict is not None) == contradicts
        self.told(tab, [number], is_known=receipt is not None)

    @rule(tab=who, number=st.sampled_from(range(len(NAMES))), label=st.sampled_from(["ok", "dent"]), ends=ends)
    def tell_part(self, tab: str, number: int, label: str, ends: End) -> None:
        """Answer for all views of a part at once."""
        image, part = self.images[number], [n for n, group in enumerate(GROUPS) if group == GROUPS[number]]
        free = [view for view in part if view in self.free()]
        views = free + [view for view in part if self.images[view].is_pending]
        if image.decision is not None and image.by == tab[:3] and image.answer != label:
            views += [view for view in part if self.images[view].decision == image.decision]
        if not views or (free and not image.batches):
            with pytest.raises(NotAskedError):
                self.desk.tell_part(tab, number, label, 1.0, saw_guess=False)
            return
        views = sorted(views, key=lambda view: (view != number, view))
        receipt = self.deliver(
            tab, views, lambda sent: self.desk.tell_part(tab, number, label, 1.0, saw_guess=False, sent=sent), ends
        )
        assert receipt is None or receipt.told == len(views)
        self.decisions += 1
        for view in free:
            self.images[view].batches.append(image.batches[-1])
            if view not in self.batches[image.batches[-1]]:
                self.batches[image.batches[-1]].append(view)
        for view in views:
            self.images[view].tell(tab[:3], label, decision=self.decisions)
        self.told(tab, views, is_known=receipt is not None)

    @precondition(lambda self: "gap" not in self.classes)
    @rule(name=st.sampled_from(["scratch", "gap"]))
    def add_class(self, name: str) -> None:
        if name in self.classes:
            with pytest.raises(NotAskedError):
                self.desk.add_class(name)
        else:
            self.desk.add_class(name)
            self.classes.append(name)

    # ---- what happens to them

    def deliver(self, tab: str, numbers: list[int], send: Callable[[str], Receipt], ends: End) -> Receipt | None:
        """Send an answer until it is taken, as the page does; return None where a kill came after it was kept."""
        self.sent += 1
        sent = f"id{self.sent}"
        if ends == "disk is full":
            before = self.state()
            with mock.patch.object(os, "fsync", side_effect=OSError(28, "No space left")), pytest.raises(UserError):
                send(sent)
            assert [told for told in self.state() if told not in before] == []
        elif ends is not None:
            sizes = [path.stat().st_size if path.exists() else 0 for path in self.journals()]
            send(sent)
            for path, size in zip(self.journals(), sizes, strict=True):
                if path.exists():
                    os.truncate(path, size + int(ends * (path.stat().st_size - size)))
            self.restart()
            if self.desk.was_sent(sent):
                return None
        return send(sent)

    def journals(self) -> list[Path]:
        return [self.path / "audit.jsonl", self.path / "pool.jsonl"]

    def restart(self) -> None:
        self.start()
        self.held, self.undo = {}, {}

    @rule(left=st.binary(max_size=30).filter(lambda left: b"\n" not in left))
    def kill(self, left: bytes) -> None:
        """Kill it in between, or while somebody's record was begun who never comes back."""
        before = self.state()
        for path in self.journals():
            if path.exists():
                with path.open("ab") as stream:
                    stream.write(left)
        self.restart()
        assert self.state() == before

    @rule(share=st.sampled_from([0.6, 1.0]))
    def wait(self, share: float) -> None:
        self.clock += desks.HELD_S * share

    @precondition(
        lambda self: len(self.free()) > 1 and sum(bool(self.pending(n)) for n in range(len(self.batches))) < 3
    )
    @rule(data=st.data())
    def choose(self, data: st.DataObject) -> None:
        """Ask for a batch, as the model does while others are answered."""
        chosen = data.draw(st.lists(st.sampled_from(self.free()), min_size=2, max_size=5, unique=True))
        ask(self.there.pool, *chosen, ahead=3)
        self.batches.append(chosen)
        for number in chosen:
            self.images[number].batches.append(len(self.batches) - 1)
            self.images[number].is_pending = True

    # ---- what holds at any time

    def state(self) -> list[Any]:
        """Return what a restart must not change."""
        audit, pool, desk = self.there.audit, self.there.pool, self.desk
        progress = desk.progress("nobody#0")
        return [
            *([batch.ids.tolist() for batch in session.batches] for session in (audit, pool)),
            *(session.pending.tolist() for session in (audit, pool)),
            *(session.history(number) for session in (audit, pool) for number in range(len(NAMES))),
            (pool.again.tolist(), pool.again_of, pool.again_after),
            (desk.classes, desk.audited, desk.gallery()),
            (progress.labelled, progress.unsure, progress.left, progress.batch, progress.per_minute),
            (progress.notes, sorted(progress.conflicts), progress.finished),
        ]

    @invariant()
    def the_desk_is_as_the_model(self) -> None:
        audit, pool = self.there.audit, self.there.pool
        assert [*audit.pending, *pool.again, *pool.pending] == self.waiting()
        assert [batch.ids.tolist() for batch in pool.batches] == self.batches
        assert list(self.desk.classes) == self.classes
        for number, image in enumerate(self.images):
            session = audit if number in AUDIT else pool
            told = [(each.about["who"], each.answer, each.stands) for each in session.history(number)]
            assert told == image.told
            assert self.desk.standing(number) == image.answer
        progress = self.desk.progress("nobody#0")
        assert sorted(progress.conflicts) == [n for n, image in enumerate(self.images) if image.is_conflict]
        given = [image.answer for image in self.images]
        assert progress.labelled == sum(isinstance(answer, str) for answer in given)
        assert progress.unsure == given.count(NoLabel.UNSURE)
        assert progress.left == len(self.free())
        shown = {item.number: (item.answer, item.who) for item in self.desk.gallery()}
        assert shown == {
            number: (image.answer, image.by)
            for number, image in enumerate(self.images)
            if image.answer not in (None, NoLabel.SKIP)
        }

    @invariant()
    def the_counts_are_those_of_what_comes_next(self) -> None:
        progress = self.desk.progress("eva#1")
        following = next((number for number in self.waiting() if number not in self.taken("eva#1")), None)
        if following is None:
            assert (progress.stage, progress.held) == (None, len(self.waiting()))
        elif following not in self.again:
            batch = self.audit if following in AUDIT else self.batches[self.images[following].batches[-1]]
            of_it = [self.images[number] for number in batch]
            asked = [i for i in of_it if i.batches[-1] == self.images[following].batches[-1]]
            done = sum(not image.is_pending and image.answer is not NoLabel.SKIP for image in asked)
            assert (progress.done, progress.of) == (done, done + sum(image.is_pending for image in asked))

    def teardown(self) -> None:
        self.patches.close()
        self.folder.cleanup()


InAnyOrder.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    phases=(Phase.generate, Phase.shrink),  # explaining takes minutes
)
TestInAnyOrder = InAnyOrder.TestCase
