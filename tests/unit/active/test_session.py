"""The session: asked and told in any order, by any caller, killed at any moment."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from coilal.active.journal import Journal
from coilal.active.labels import Answer, NoLabel, Prediction
from coilal.active.outputs import Selection
from coilal.active.session import Choose, Session
from coilal.common.types import UserError

NAMES = tuple(f"{place}.png" for place in range(12))
POOL = (1, 2, 3, 5, 7, 8, 9, 11)
ANSWERS: list[Answer] = ["gap", "ok", (), ("gap", "crossing"), NoLabel.UNSURE, NoLabel.SKIP]


def ids(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def choice(*values: int) -> Choose:
    return lambda _: Selection(ids(*values), np.arange(len(values), dtype=float))


def nobody(_: Any) -> Selection:
    raise AssertionError("nobody should be asked to choose")


class AnyOrder(RuleBasedStateMachine):
    """Ask, tell, correct, kill and resume, beside a model that keeps a list, a set and a dictionary."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "session.jsonl"
        self.session = Session(NAMES, np.array(POOL), Journal(self.path))
        self.batches: list[list[int]] = []  # the model: all batches,
        self.open: dict[int, int] = {}  # what is not answered, and the batch that it belongs to,
        self.answers: dict[int, list[Answer]] = {}  # all answers that stand,
        self.beside: dict[int, int] = {}  # how many stand beside them, what was added,
        self.added: list[str] = []
        self.again: list[int] = []  # and what waits for a second look

    def free(self) -> list[int]:
        held = {image for image, told in self.answers.items() if told[-1] != NoLabel.SKIP}
        return [image for image in POOL if image not in held | self.open.keys()]

    def open_batches(self) -> int:
        return len(set(self.open.values()))

    @precondition(lambda self: self.free() and self.open_batches() <= 2)
    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        chosen = data.draw(st.lists(st.sampled_from(self.free()), min_size=1, max_size=4, unique=True))
        assert self.session.ask(choice(*chosen), ahead=self.open_batches()).ids.tolist() == chosen
        self.batches.append(chosen)
        self.open |= dict.fromkeys(chosen, len(self.batches) - 1)

    @precondition(lambda self: self.open)
    @rule()
    def ask_again(self) -> None:
        assert self.session.ask(nobody, self.open_batches() - 1).ids.tolist() == self.batches[-1]

    @precondition(lambda self: self.free() and self.batches)
    @rule(data=st.data())
    def join(self, data: st.DataObject) -> None:
        images = data.draw(st.lists(st.sampled_from(self.free()), min_size=1, max_size=2, unique=True))
        number = data.draw(st.integers(0, len(self.batches) - 1))
        self.session.join(ids(*images), number)
        skipped = self.batches[number]
        self.batches[number] = skipped + [image for image in images if image not in skipped]
        self.open |= dict.fromkeys(images, number)

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def ask_for_second_looks(self, data: st.DataObject) -> None:
        images = data.draw(st.lists(st.sampled_from(sorted(self.answers)), max_size=3, unique=True))
        self.session.ask_again(ids(*images), len(self.batches) - 1)
        self.again += [image for image in images if image not in self.again]
        assert self.session.again_of == len(self.again)
        assert self.session.again_after == len(self.batches) - 1

    @rule(name=st.sampled_from(["dent", "scratch"]))
    def add(self, name: str) -> None:
        if name in self.added:
            with pytest.raises(ValueError, match=f"{name} was added before"):
                self.session.add(name)
        else:
            self.session.add(name)
            self.added.append(name)

    @precondition(lambda self: self.answers)
    @rule(data=st.data(), answer=st.sampled_from(ANSWERS))
    def tell_beside(self, data: st.DataObject, answer: Answer) -> None:
        image = data.draw(st.sampled_from(sorted(self.answers)))
        self.session.tell({image: answer}, {"who": "another"}, stands=False)
        self.beside[image] = self.beside.get(image, 0) + 1
        self.again = [each for each in self.again if each != image]

    @precondition(lambda self: self.open or self.answers)
    @rule(data=st.data(), answer=st.sampled_from(ANSWERS))
    def tell_or_correct(self, data: st.DataObject, answer: Answer) -> None:
        known = sorted(self.open.keys() | self.answers.keys())
        some = data.draw(st.lists(st.sampled_from(known), min_size=1, unique=True))
        self.session.tell(dict.fromkeys(some, answer))
        for image in some:
            self.answers.setdefault(image, []).append(answer)
            self.open.pop(image, None)
        self.again = [each for each in self.again if each not in some]

    @rule(left=st.binary(max_size=30).filter(lambda left: b"\n" not in left))
    def kill_and_resume(self, left: bytes) -> None:
        if self.path.exists():
            with self.path.open("ab") as stream:
                stream.write(left)  # of a record that was being added
        self.session = Session(NAMES, np.array(POOL), Journal(self.path))

    @rule(image=st.integers(-1, 13))
    def tell_what_was_never_asked(self, image: int) -> None:
        if image not in self.open.keys() | self.answers.keys():
            with pytest.raises(ValueError, match=f"id {image} was never asked for"):
                self.session.tell({image: "ok"})

    @invariant()
    def the_session_is_as_the_model(self) -> None:
        found, labels = self.session.labelled
        last = {image: told[-1] for image, told in self.answers.items()}
        assert list(zip(found.tolist(), labels, strict=True)) == [
            (image, answer) for image, answer in last.items() if not isinstance(answer, NoLabel)
        ]
        assert self.session.unlabelled.tolist() == self.free()
        assert [batch.ids.tolist() for batch in self.session.batches] == self.batches
        pending = [
            [image for image in batch if self.open.get(image) == number]
            for number, batch in enumerate(self.batches)
        ]
        assert self.session.pending.tolist() == [image for batch in pending for image in batch]
        assert [self.session.pending_of(number).tolist() for number in range(len(pending) + 1)] == [*pending, []]
        assert list(self.session.added) == self.added
        assert self.session.again.tolist() == self.again
        assert self.session.open_batches == self.open_batches()
        first = self.session.first_open
        assert (first.number if first else None) == min(self.open.values(), default=None)
        unsure = sum(answer is NoLabel.UNSURE for answer in last.values())
        assert self.session.counts == (len(self.free()), len(self.open), len(labels), unsure)
        assert self.session.unsure.tolist() == sorted(i for i, a in last.items() if a == NoLabel.UNSURE)
        for image in POOL:
            assert self.session.may_be_asked(image) == (image in self.free())
            assert self.session.is_pending(image) == (image in self.open)
            where = self.session.where(image)
            assert (where is None) == all(image not in batch for batch in self.batches)
            if where is not None:
                batch, place = where
                assert batch.ids[place] == image
                assert self.open.get(image, batch.number) == batch.number
            told = self.session.history(image)
            assert [each.answer for each in told if each.stands] == self.answers.get(image, [])
            assert sum(not each.stands for each in told) == self.beside.get(image, 0)
            assert self.session.answer(image) == last.get(image)

    def teardown(self) -> None:
        self.folder.cleanup()


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None, derandomize=True)
TestAnyOrder = AnyOrder.TestCase


@pytest.fixture
def session() -> Session:
    session = Session(NAMES, np.array(POOL))
    session.ask(choice(5, 2))
    session.tell({5: "ok", 2: "gap"})
    return session


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ([7, 4], "not in the pool: 4"),
        ([31], "not in the pool: 31"),
        ([-1], "not in the pool: -1"),
        ([7, 9, 7], "occur twice in the batch: 7"),
        ([9, 2], "asked for or answered already: 2"),
        ([], "empty"),
    ],
)
def test_a_wrong_choice_is_refused_and_asks_nothing(session: Session, chosen: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        session.ask(choice(*chosen))
    assert len(session.batches) == 1
    assert session.pending.tolist() == []


def test_who_asks_while_nothing_is_pending_must_choose(session: Session) -> None:
    with pytest.raises(ValueError, match="nobody chooses"):
        session.ask()


def test_one_wrong_answer_and_nothing_is_told(session: Session) -> None:
    for wrong, message in (({5: "gap", 7: "ok"}, "id 7 was never asked for"), ({5: "gap", 2: 3}, "no label: 3")):
        with pytest.raises(ValueError, match=message):
            session.tell(wrong)  # type: ignore[arg-type]
        assert session.labelled[1] == ["ok", "gap"]


def test_a_pool_with_an_image_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="occur twice in the pool: 4"):
        Session(NAMES, ids(4, 1, 4))


def test_arrays_that_are_handed_in_or_out_are_not_shared() -> None:
    given, chosen = ids(3, 1, 2), ids(2)
    session = Session(NAMES, given)
    batch = session.ask(lambda _: Selection(chosen, np.zeros(1)))
    chosen[0] = 1
    session.unlabelled[0] = 99
    assert given.tolist() == [3, 1, 2]
    assert session.batches[0].ids.tolist() == [2]
    assert session.unlabelled.tolist() == [1, 3]
    with pytest.raises(ValueError, match="read-only"):
        batch.ids[0] = 1


def test_scores_and_what_is_known_of_an_answer_come_back(tmp_path: Path) -> None:
    scores = np.array([0.1 + 0.2, np.nan, -1e-300])
    session = Session(NAMES, np.array(POOL), Journal(tmp_path / "session.jsonl"))
    session.ask(lambda _: Selection(ids(9, 1, 3), scores))
    about = {"who": "oracle", "seconds": 2.5}
    session.tell({1: ("gap",)}, about)
    about["who"] = "nobody"
    assert session.history(1)[0].about["who"] == "oracle"
    again = Session(NAMES, np.array(POOL), Journal(tmp_path / "session.jsonl"))
    np.testing.assert_array_equal(again.ask().scores, scores)
    assert again.pending.tolist() == [9, 3]
    (told,) = again.history(1)
    assert told.answer == ("gap",)
    assert told.about == {"who": "oracle", "seconds": 2.5}


SAID = (Prediction("gap", 0.91), Prediction(("gap", "crossing"), 0.5), Prediction((), 1.0))


def test_what_the_model_took_images_for_comes_back_with_them(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    session = Session(NAMES, np.array(POOL), Journal(path))
    session.ask(choice(11))  # by earlier versions, or by no model
    session.tell({11: "ok"})
    batch = session.ask(lambda _: Selection(ids(9, 1, 3), np.zeros(3), SAID))
    session.join(ids(8), 1)
    assert batch.predictions == SAID
    again = Session(NAMES, np.array(POOL), Journal(path))
    assert [each.predictions for each in again.batches] == [(), SAID]
    assert again.batches[1].ids.tolist() == [9, 1, 3, 8]
    left = Session(NAMES, ids(3, 9, 11), Journal(path), may_lose=True)
    assert left.batches[1].ids.tolist() == [9, 3]
    assert left.batches[1].predictions == (SAID[0], SAID[2])


def test_of_images_that_were_told_meanwhile_no_prediction_is_kept() -> None:
    session = Session(NAMES, np.array(POOL))
    session.ask(choice(5))

    def choose(_: Any) -> Selection:
        session.join(ids(1), 0)
        return Selection(ids(9, 1, 3), np.zeros(3), SAID)

    batch = session.ask(choose, ahead=1)
    assert (batch.ids.tolist(), batch.predictions) == ([9, 3], (SAID[0], SAID[2]))


def test_predictions_of_some_images_only_are_refused() -> None:
    session = Session(NAMES, np.array(POOL))
    with pytest.raises(ValueError, match="3 predictions of 2 images"):
        session.ask(lambda _: Selection(ids(9, 1), np.zeros(2), SAID))
    assert not session.batches


def test_images_of_the_journal_are_known_by_name(tmp_path: Path) -> None:
    session = Session(NAMES, np.array(POOL), Journal(tmp_path / "session.jsonl"))
    session.ask(choice(7))
    session.tell({7: "ok"})
    more = ("0_new.png", *NAMES)  # every id has moved by one
    assert Session(more, np.array(POOL) + 1, Journal(tmp_path / "session.jsonl")).labelled[0].tolist() == [8]
    with pytest.raises(UserError, match=r"session\.jsonl names images that are not in the pool .*: 7\.png"):
        Session(NAMES, ids(1, 2), Journal(tmp_path / "session.jsonl"))


@pytest.mark.parametrize(
    "record",
    [
        {"asked": ["7.png"], "scores": ["x"]},
        {"asked": ["7.png"]},
        {"asked": ["7.png", "8.png"], "scores": [1.0]},
        {"asked": "7", "scores": [1.0]},
        {"asked": ["7.png", "8.png"], "scores": [1.0, 1.0], "predicted": [["ok", 0.5]]},
        {"asked": ["7.png"], "scores": [1.0], "predicted": ["ok"]},
        {"asked": ["7.png"], "scores": [1.0], "predicted": [[["ok", 3], 0.5]]},
        {"asked": ["7.png"], "scores": [1.0], "predicted": {"7.png": "ok"}},
        {"asked": None, "scores": []},
        {"asked": ["7.png"], "scores": [1.0], "told": {"5.png": "ok"}},
        {"told": ["5.png"]},
        {"told": {"5.png": "ok"}, "about": ["she"]},
        {"asked": ["5.png"], "scores": [1]},  # which is pending
        {"joined": ["7.png"], "batch": 1},
        {"joined": ["5.png"], "batch": 0},
        {"joined": ["7.png"]},
        {"again": ["5.png"], "batch": 0},  # which was never told
        {"again": [], "batch": 1},
        {"again": ["5.png"]},
        {"added": 3},
        {"told": {"5.png": "ok"}, "stands": "no"},
        {"told": {"9.png": "ok"}},
        {"told": {"5.png": 3}},
        {"told": {"5.png": {"answer": "perhaps"}}},
        {"other": 1},
    ],
)
def test_a_record_that_no_session_wrote_is_refused_by_its_line(tmp_path: Path, record: dict[str, Any]) -> None:
    path = tmp_path / "session.jsonl"
    Session(NAMES, np.array(POOL), Journal(path)).ask(choice(5))
    with path.open("a") as stream:
        stream.write(json.dumps(record) + "\n")
    with pytest.raises(UserError, match=r"session\.jsonl is damaged \(line 3: "):
        Session(NAMES, np.array(POOL), Journal(path))


def test_a_batch_in_the_journal_is_checked_as_one_that_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    Journal(path).add({"asked": ["7.png", "7.png"], "scores": [1, 1]})
    with pytest.raises(UserError, match=r"session\.jsonl is damaged \(line 2: .*twice in the batch: 7"):
        Session(NAMES, np.array(POOL), Journal(path))


def test_images_that_are_gone_are_left_out_where_they_may_be(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    session = Session(NAMES, np.array(POOL), Journal(path))
    session.ask(choice(7, 9))
    session.tell({7: "ok", 9: "gap"})
    session.ask_again(ids(7, 9), 0)
    session.ask(choice(5))
    session.join(ids(1, 2), 1)
    left = Session(NAMES, ids(2, 3, 9), Journal(path), may_lose=True)
    assert set(left.lost) == {"7.png", "5.png", "1.png"}
    assert left.again.tolist() == [9]
    assert [batch.ids.tolist() for batch in left.batches] == [[9], [2]]
    assert left.pending.tolist() == [2]
    left.ask(choice(3), ahead=1)
    again = Session(NAMES, np.array(POOL), Journal(path))  # they are back, and so is what was told of them
    assert again.labelled[0].tolist() == [7, 9]
    assert again.pending.tolist() == [5, 1, 2, 3]


def test_what_joins_a_batch_while_one_is_chosen_is_not_asked_for_twice() -> None:
    session = Session(NAMES, np.array(POOL))
    session.ask(choice(5))

    def meanwhile(*chosen: int) -> Choose:
        def choose(_: Any) -> Selection:
            session.join(ids(7, 8), 0)
            session.tell({7: "ok", 8: "ok"})
            return Selection(ids(*chosen), np.zeros(len(chosen)))

        return choose

    assert session.ask(meanwhile(7, 9, 8), ahead=1).ids.tolist() == [9]
    assert session.labelled[0].tolist() == [7, 8]
    session.tell({9: "ok"})

    def all_of_it(_: Any) -> Selection:
        session.join(ids(1), 1)
        return Selection(ids(1), np.zeros(1))

    assert session.ask(all_of_it, ahead=1).ids.tolist() == [9, 1]  # the last batch, and no new one


def test_who_joins_a_batch_that_is_not_there_is_told() -> None:
    session = Session(NAMES, np.array(POOL))
    with pytest.raises(ValueError, match="there is no batch 0"):
        session.join(ids(1), 0)


def test_who_asks_again_for_what_was_never_told_is_refused(session: Session) -> None:
    for images, number, message in ((ids(5, 7), 0, "never told: 7"), (ids(5), 1, "there is no batch 1")):
        with pytest.raises(ValueError, match=message):
            session.ask_again(images, number)
    assert not len(session.again)


def test_what_is_skipped_and_joins_its_batch_again_is_in_it_once(session: Session) -> None:
    session.tell({5: NoLabel.SKIP})
    session.join(ids(5, 7), 0)
    assert session.batches[0].ids.tolist() == [5, 2, 7]
    assert session.pending.tolist() == [5, 7]


def test_an_undone_skip_is_not_asked_for_while_it_is_chosen() -> None:
    session = Session(NAMES, np.array(POOL))
    session.ask(choice(5, 7))
    session.tell({5: NoLabel.SKIP, 7: "ok"})

    def meanwhile(_: Any) -> Selection:
        session.tell({5: "gap"})
        return Selection(ids(5, 9), np.zeros(2))

    assert session.ask(meanwhile).ids.tolist() == [9]
