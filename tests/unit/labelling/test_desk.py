"""Who is shown which image, and what becomes of the answer."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from coilal.active.labels import NoLabel
from coilal.common.types import UserError
from coilal.labelling import desk as desks
from coilal.labelling.contract import NotAskedError
from coilal.run_directory.health import AUDIT_PREDICTIONS
from tests.unit.labelling.sessions import AUDITED, NAMES, Opened, ask, opened


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the desk reads, which a test may set."""
    now = [1000.0]
    monkeypatch.setattr(desks.time, "monotonic", lambda: now[0])
    return now


def answer_audit(there: desks.SessionDesk) -> None:
    while (shown := there.next("eva#1")) and shown.stage == "audit":
        there.tell("eva#1", shown.number, "ok", 1.0, saw_guess=False)


def label_two_batches(there: Opened) -> None:
    """Ask for two batches of two, and label each."""
    for numbers in ((4, 0), (7, 1)):
        ask(there.pool, *numbers)
        for number in numbers:
            there.desk.tell("eva#1", number, "ok", 1.0, saw_guess=False)


def test_the_audit_set_comes_first_in_an_order_that_is_drawn(tmp_path: Path) -> None:
    there = opened(tmp_path)
    ask(there.pool, 4, 0)
    seen = []
    for _ in range(3):
        shown = there.desk.next("eva#1")
        assert shown is not None
        assert (shown.stage, shown.of, shown.place) == ("audit", 3, len(seen) + 1)
        assert not there.desk.is_audited
        seen.append(shown.number)
        there.desk.tell("eva#1", shown.number, "dent", 2.0, saw_guess=False)
    assert sorted(seen) == [9, 10, 11]
    assert there.desk.is_audited
    assert there.desk.audited == dict.fromkeys(seen, "dent")
    shown = there.desk.next("eva#1")
    assert shown is not None
    assert (shown.number, shown.stage, shown.place, shown.of) == (4, "batch", 1, 2)
    assert [opened(tmp_path).audit.batches[0].ids.tolist()] == [seen], "the order is in the journal"


def test_an_image_stays_until_it_is_answered_and_two_people_get_different_ones(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4, 0)
    eva, max_ = there.desk.next("eva#1"), there.desk.next("max#2")
    assert eva is not None
    assert max_ is not None
    assert (eva.number, max_.number) == (4, 0)
    assert there.desk.next("eva#1").number == 4  # type: ignore[union-attr]
    assert there.desk.next("ida#3") is None, "both are held"
    assert there.desk.ahead("eva#1", 5) == []
    there.desk.tell("max#2", 0, "ok", 1.0, saw_guess=False)
    assert there.desk.next("max#2") is None
    assert there.desk.ahead("ida#3", 5) == []


def test_what_somebody_holds_and_has_left_is_given_to_others(tmp_path: Path, clock: list[float]) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4)
    assert there.desk.next("eva#1")
    assert there.desk.next("max#2") is None
    for _ in range(5):  # a page that is left open asks on and on
        clock[0] += desks.HELD_S / 5
        assert there.desk.next("eva#1").number == 4  # type: ignore[union-attr]
    assert there.desk.next("max#2").number == 4  # type: ignore[union-attr]
    assert there.desk.next("eva#1") is None, "it is somebody else's by now"
    there.desk.tell("max#2", 4, "ok", 1.0, saw_guess=False)
    assert there.desk.tell("eva#1", 4, "dent", 1.0, saw_guess=False).conflict == "ok", "who comes back is heard"


def test_who_presses_keys_keeps_an_image(tmp_path: Path, clock: list[float]) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4)
    assert there.desk.next("eva#1")
    for _ in range(3):
        clock[0] += desks.HELD_S - 1
        there.desk.show("eva#1", 5)
        assert there.desk.next("max#2") is None
    clock[0] += desks.HELD_S
    assert there.desk.next("max#2")
    there.desk.show("eva#1", 5)
    assert there.desk.next("ida#3") is None, "eva holds nothing, and max still does"
    assert there.desk.next("max#2").number == 4  # type: ignore[union-attr]


def test_a_page_that_is_left_open_holds_none_of_the_images_that_come_to_it(
    tmp_path: Path, clock: list[float]
) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4, 0)
    assert there.desk.next("eva#1")
    clock[0] += desks.HELD_S
    assert there.desk.next("max#2").number == 4  # type: ignore[union-attr]
    assert there.desk.next("eva#1").number == 0  # type: ignore[union-attr]
    there.desk.tell("max#2", 4, "ok", 1.0, saw_guess=False)
    assert there.desk.next("max#2").number == 0  # type: ignore[union-attr]


def test_who_looks_on_holds_nothing(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4)
    assert there.desk.progress("max#2").stage == "batch"
    assert there.desk.show("max#2", 4).number == 4
    assert there.desk.next("eva#1").number == 4  # type: ignore[union-attr]


def test_an_answer_is_on_the_disk_with_who_how_long_and_what_was_shown(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4)
    there.desk.tell("eva#1", 4, "dent", 2.345, saw_guess=True)
    (told,) = opened(tmp_path, audit=False).pool.history(4)
    assert told.answer == "dent"
    when = told.about["when"]
    assert told.about == {
        "who": "eva",
        "seconds": 2.35,
        "saw_guess": True,
        "stage": "batch",
        "when": when,
        "content": {NAMES[4]: "0000000000000004"},
    }
    assert when.startswith("20")


@pytest.mark.parametrize(
    ("answer", "message"),
    [("scratch", "no class is named scratch"), (("ok",), "must be one class"), ("", "no class is named")],
)
def test_an_answer_that_is_none_is_refused(tmp_path: Path, answer: str, message: str) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4)
    with pytest.raises(NotAskedError, match=message):
        there.desk.tell("eva#1", 4, answer, 1.0, saw_guess=False)
    multilabel = opened(tmp_path, "multilabel", audit=False)
    with pytest.raises(NotAskedError, match="must be a list"):
        multilabel.desk.tell("eva#1", 4, "ok", 1.0, saw_guess=False)
    assert there.pool.pending.tolist() == [4]


def test_images_that_nobody_asked_for_and_such_as_are_not_there_are_refused(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    with pytest.raises(NotAskedError, match="never asked for"):
        there.desk.tell("eva#1", 5, "ok", 1.0, saw_guess=False)
    for number in (-1, 12):
        with pytest.raises(NotAskedError, match=f"there is no image {number}"):
            there.desk.show("eva#1", number)
        with pytest.raises(NotAskedError, match=f"there is no image {number}"):
            there.desk.pixels(number)


def test_windows_without_a_name_are_told_apart_in_the_gallery(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4)
    there.desk.tell("#cc218c9fa58439d5", 4, "dent", 1.0, saw_guess=False)
    there.desk.tell("#07d4000000000000", 4, "ok", 1.0, saw_guess=False)
    (item,) = there.desk.gallery()
    assert (item.who, item.history) == ("no name cc21", ["no name 07d4: ok (contradicts)"])


def test_the_same_person_corrects_and_another_one_contradicts(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4, 0)
    there.desk.tell("eva#1", 4, "dent", 1.0, saw_guess=False)
    there.desk.tell("eva#2", 4, "ok", 1.0, saw_guess=False)  # another tab of hers
    assert there.desk.standing(4) == "ok"
    receipt = there.desk.tell("max#3", 4, "dent", 1.0, saw_guess=False)
    assert receipt.conflict == "ok"
    assert there.desk.standing(4) == "ok", "the first answer counts"
    for again in (there, opened(tmp_path, audit=False)):
        assert list(again.desk.progress("eva#1").conflicts) == [4]
    (item,) = there.desk.gallery()
    assert (item.answer, item.who, item.history) == ("ok", "eva", ["eva: dent", "max: dent (contradicts)"])
    there.desk.tell("eva#1", 4, "dent", 1.0, saw_guess=False)  # who tells it once more decides
    assert there.desk.standing(4) == "dent"
    assert list(opened(tmp_path, audit=False).desk.progress("eva#1").conflicts) == []


def test_two_people_who_agree_contradict_nobody(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4)
    there.desk.tell("eva#1", 4, "dent", 1.0, saw_guess=False)
    assert there.desk.tell("max#3", 4, "dent", 1.0, saw_guess=False).conflict is None
    assert [told.stands for told in there.pool.history(4)] == [True, False]
    assert list(there.desk.progress("eva#1").conflicts) == []


def test_a_whole_part_is_one_decision_and_its_other_views_join_the_batch(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4, 0)
    receipt = there.desk.tell_part("eva#1", 4, "ok", 5.0, saw_guess=False)
    assert receipt.told == 3
    assert there.pool.labelled[0].tolist() == [4, 3, 5]
    assert there.pool.batches[0].ids.tolist() == [4, 0, 3, 5]
    assert there.desk.progress("eva#1").per_minute == 12, "one decision in five seconds"
    with pytest.raises(NotAskedError, match="all views of this part have a label"):
        there.desk.tell_part("eva#1", 4, "ok", 5.0, saw_guess=False)


def test_a_part_of_the_audit_set_stays_there(tmp_path: Path) -> None:
    there = opened(tmp_path)
    assert there.desk.tell_part("eva#1", 10, "dent", 5.0, saw_guess=False).told == 3
    assert there.desk.audited == {9: "dent", 10: "dent", 11: "dent"}
    assert not len(there.pool.labelled[0])


def test_unsure_and_skip(tmp_path: Path) -> None:
    there = opened(tmp_path)
    first = there.desk.next("eva#1")
    assert first is not None
    there.desk.tell("eva#1", first.number, NoLabel.UNSURE, 1.0, saw_guess=False)
    answer_audit(there.desk)
    assert len(there.desk.audited) == 2
    progress = there.desk.progress("eva#1")
    assert any("1 image of the audit set has no label, and is left out" in note for note in progress.notes)
    ask(there.pool, 4, 0)
    there.desk.tell("eva#1", 4, NoLabel.SKIP, 1.0, saw_guess=False)
    there.desk.tell("eva#1", 0, NoLabel.UNSURE, 1.0, saw_guess=False)
    assert there.pool.unsure.tolist() == [0]
    assert 4 in there.pool.unlabelled
    assert [item.number for item in there.desk.gallery(label="unsure")] == [0, first.number]
    assert not any(item.number == 4 for item in there.desk.gallery())


def test_undo_goes_back_through_what_this_person_told(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4, 0, 7)
    for number in (4, 0):
        there.desk.tell("eva#1", number, "ok", 1.0, saw_guess=False)
    assert there.desk.last("max#2") is None
    assert there.desk.last("eva#1") == 0
    assert there.desk.show("eva#1", 0).label == "ok"
    assert there.desk.last("eva#1") == 4
    assert there.desk.last("eva#1") is None
    there.desk.tell("eva#1", 4, "dent", 1.0, saw_guess=False)
    assert there.desk.last("eva#1") == 4


def test_a_class_that_is_added_can_be_told_and_is_kept(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4)
    there.desk.add_class("scratch")
    there.desk.tell("eva#1", 4, "scratch", 1.0, saw_guess=False)
    assert opened(tmp_path, audit=False).desk.classes == ("ok", "dent", "scratch")
    for name, message in (("OK", "is there already, as ok"), (" ", "is no name"), ("x" * 61, "at most 60")):
        with pytest.raises(NotAskedError, match=message):
            there.desk.add_class(name)


def test_some_images_are_asked_again_and_the_second_look_does_not_see_the_first(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False, reask=0.5)
    ask(there.pool, 4, 0)
    for number in (4, 0):
        there.desk.tell("eva#1", number, "ok", 1.0, saw_guess=False)
    assert there.desk.next("eva#1") is None, "nothing was told before that batch"
    ask(there.pool, 7, 1)
    for number in (7, 1):
        there.desk.tell("eva#1", number, "ok", 1.0, saw_guess=False)
    shown = there.desk.next("eva#1")
    assert shown is not None
    assert shown.stage == "again"
    assert shown.number in (4, 0)
    assert (shown.label, shown.answer) == (None, None)
    there.desk.tell("eva#1", shown.number, "dent", 1.0, saw_guess=False)
    assert there.desk.standing(shown.number) == "ok"
    assert there.desk.next("eva#1") is None


def second_look(there: Opened) -> int:
    """Return the image that eva is given to look at a second time; its first answer is ok."""
    label_two_batches(there)
    shown = there.desk.next("eva#1")
    assert shown is not None
    assert shown.stage == "again"
    return shown.number


def test_second_looks_wait_after_a_restart_and_answers_to_them_correct_nothing(tmp_path: Path) -> None:
    number = second_look(opened(tmp_path, audit=False, reask=0.5))
    again = opened(tmp_path, audit=False, reask=0.5)
    assert again.pool.again.tolist() == [number]
    again.desk.tell("eva#1", number, "dent", 1.0, saw_guess=False, second_look=True)  # given before the restart
    for there in (again, opened(tmp_path, audit=False, reask=0.5)):
        assert there.desk.standing(number) == "ok"
        assert there.pool.history(number)[-1].about["stage"] == "again"
        assert not len(there.pool.again)


def test_what_a_table_says_is_not_looked_at_a_second_time(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False, reask=0.9)
    ask(there.pool, 4, 0)
    there.desk.tell_table({4: "ok"})
    there.desk.tell("eva#1", 0, "ok", 1.0, saw_guess=False)
    ask(there.pool, 7, 1)
    for number in (7, 1):
        there.desk.tell("eva#1", number, "ok", 1.0, saw_guess=False)
    assert there.pool.again.tolist() == [0]


def test_a_second_look_that_is_skipped_is_kept_as_such_and_measures_nothing(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False, reask=0.5)
    number = second_look(there)
    there.desk.tell("eva#1", number, NoLabel.SKIP, 1.0, saw_guess=False)
    for each in (there, opened(tmp_path, audit=False, reask=0.5)):
        assert each.desk.standing(number) == "ok"
        assert not len(each.pool.again)


def test_second_looks_that_a_kill_kept_from_the_disk_are_asked_for_at_the_next_start(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False, reask=0.5)
    label_two_batches(there)
    path = tmp_path / "pool.jsonl"
    *before, last = path.read_bytes().splitlines(keepends=True)
    assert b'"again"' in last
    path.write_bytes(b"".join(before))
    assert opened(tmp_path, audit=False, reask=0.5).pool.again.tolist() == there.pool.again.tolist()


def test_what_waits_for_a_second_look_can_be_corrected_and_shows_what_was_told(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False, reask=0.5)
    number = second_look(there)
    assert there.desk.show("eva#1", number).answer is None, "she is given it to look at anew"
    shown = there.desk.show("max#2", number)
    assert (shown.stage, shown.answer) == ("batch", "ok")


def test_who_passes_over_what_somebody_else_has_told_contradicts_nobody(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4)
    there.desk.tell("eva#1", 4, "dent", 1.0, saw_guess=False)
    assert there.desk.tell("max#2", 4, NoLabel.SKIP, 1.0, saw_guess=False).conflict is None
    assert there.desk.standing(4) == "dent"
    assert there.pool.unlabelled.tolist() == [0, 1, 2, 3, *range(5, 12)]


def test_who_agrees_with_the_first_answer_decides_a_conflict(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4)
    for who, label in (("eva#1", "dent"), ("max#2", "ok"), ("ida#3", "dent")):
        there.desk.tell(who, 4, label, 1.0, saw_guess=False)
    assert there.desk.standing(4) == "dent"
    assert list(there.desk.progress("eva#1").conflicts) == []


def test_an_answer_is_known_by_the_id_of_its_sender_after_a_restart(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4, 0)
    there.desk.tell("eva#1", 4, "ok", 1.0, saw_guess=False, sent="x1")
    there.desk.tell_part("eva#1", 0, "ok", 1.0, saw_guess=False, sent="x2")
    for each in (there, opened(tmp_path, audit=False)):
        assert [each.desk.was_sent(sent) for sent in ("x1", "x2", "x3")] == [True, True, False]


def test_a_journal_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    about = {
        "who": "eva",
        "seconds": 2.0,
        "saw_guess": False,
        "stage": "batch",
        "when": "2026-11-28T10:00:00.000+00:00",
    }
    records = [
        {"journal": 1},
        {"asked": [NAMES[4], NAMES[0]], "scores": [None, 0.5]},
        {"told": {NAMES[4]: "ok"}, "about": about},
        {"told": {NAMES[4]: "dent"}, "about": {**about, "stage": "again"}, "stands": False},
        {"told": {NAMES[0]: {"answer": "skip"}}, "about": about},
    ]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    there = opened(tmp_path, audit=False, reask=0.5)
    assert there.desk.standing(4) == "ok"
    assert [item.history for item in there.desk.gallery()] == [["eva: dent (asked again)"]]
    assert there.desk.changed_images() == []
    assert there.pool.unlabelled.tolist() == [0, 1, 2, 3, *range(5, 12)]


def test_skipped_images_count_neither_as_answered_nor_as_waiting(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4, 0, 7)
    there.desk.tell("eva#1", 4, NoLabel.SKIP, 1.0, saw_guess=False)
    there.desk.tell("eva#1", 7, "ok", 1.0, saw_guess=False)
    for each in (there, opened(tmp_path, audit=False)):
        progress = each.desk.progress("eva#1")
        assert (progress.done, progress.of, progress.labelled) == (1, 2, 1)
        shown = each.desk.next("eva#1")
        assert shown is not None
        assert (shown.number, shown.place, shown.of, shown.done) == (0, 1, 2, 1)


def test_an_image_that_is_asked_for_again_counts_in_its_last_batch(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4, 0)
    there.desk.tell("eva#1", 4, NoLabel.SKIP, 1.0, saw_guess=False)
    ask(there.pool, 7, 4, ahead=1)
    there.desk.tell("eva#1", 4, "ok", 1.0, saw_guess=False)
    progress = there.desk.progress("eva#1")
    assert (progress.batch, progress.done, progress.of) == (0, 0, 1)
    there.desk.tell("eva#1", 0, "ok", 1.0, saw_guess=False)
    progress = there.desk.progress("eva#1")
    assert (progress.batch, progress.done, progress.of) == (1, 1, 2)
    assert opened(tmp_path, audit=False).desk.progress("eva#1").seconds_left == 1.0


def test_the_counts_include_the_audit_set(tmp_path: Path) -> None:
    there = opened(tmp_path)
    number = there.audit.pending[1]
    there.desk.tell("eva#1", int(number), "ok", 1.0, saw_guess=False)
    shown = there.desk.next("eva#1")
    assert shown is not None
    assert (shown.place, shown.of, shown.done) == (1, 3, 1)
    answer_audit(there.desk)
    assert there.desk.progress("eva#1").labelled == 3


def test_second_looks_have_counts_of_their_own(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False, reask=0.9)
    label_two_batches(there)
    for done in (0, 1):
        shown = there.desk.next("eva#1")
        assert shown is not None
        assert (shown.stage, shown.place, shown.of, shown.done) == ("again", done + 1, 2, done)
        progress = there.desk.progress("eva#1")
        assert (progress.stage, progress.done, progress.of) == ("again", done, 2)
        there.desk.tell("eva#1", shown.number, "ok", 1.0, saw_guess=False)


def test_labels_of_the_table_are_in_the_gallery_as_old_as_they_are(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4, 0)
    there.desk.tell_table({4: "ok"})
    time.sleep(0.002)
    there.desk.tell("eva#1", 0, "ok", 1.0, saw_guess=False)
    ask(there.pool, 7)
    there.pool.tell({7: "dent"}, {"who": "table", "stage": "batch"})  # as earlier versions kept it
    for each in (there, opened(tmp_path, audit=False)):
        assert [item.number for item in each.desk.gallery()][:2] == [0, 4]
    assert [item.number for item in opened(tmp_path, audit=False).desk.gallery()] == [0, 4, 7]


def test_an_image_that_shows_something_else_is_said_until_it_is_told_anew(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4, 0)
    for number in (4, 0):
        there.desk.tell("eva#1", number, "ok", 1.0, saw_guess=False)
    there.images.decoded.digests[4] = 99
    for _ in range(2):  # whatever is read again, or started anew
        there.desk.take_up(there.images, (there.audit, there.pool))
        (note,) = (note for note in there.desk.progress("eva#1").notes if "something else" in note)
        assert note == f"1 image shows something else than when it was labelled: look again at {NAMES[4]}"
    there.desk.tell("max#2", 4, "ok", 1.0, saw_guess=False)
    assert there.desk.changed_images() == []


def test_the_gallery_shows_the_latest_first_and_whom_the_model_contradicts(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4, 0, 7)
    for number, label in ((4, "ok"), (0, "dent"), (7, "ok")):
        there.desk.tell("eva#1", number, label, 1.0, saw_guess=False)
        time.sleep(0.002)
    logits = np.array([[3.0, 0.0], [2.0, 0.0]], dtype=np.float32)
    there.desk.guesses.note(np.array([4, 0]), logits, ("ok", "dent"))
    assert [item.number for item in there.desk.gallery()] == [7, 0, 4]
    assert [item.number for item in there.desk.gallery(label="ok")] == [7, 4]
    assert [item.number for item in there.desk.gallery(first=1, most=1)] == [0]
    (doubted,) = there.desk.gallery(disagrees=True)
    assert (doubted.number, doubted.who, doubted.guess.label) == (0, "eva", "ok")  # type: ignore[union-attr]


def test_the_curve_is_measured_by_what_people_say_now(tmp_path: Path) -> None:
    there = opened(tmp_path)
    answer_audit(there.desk)
    names = [f"{AUDITED}_{view}.png" for view in "123"]
    columns = {"images": names, "groups": [AUDITED] * 3, "told": ["dent"] * 3, "predicted": ["ok", "dent", "ok"]}
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "state.json").write_text('{"cycles": [{"cycle": 0, "labelled": 6}]}')
    (tmp_path / AUDIT_PREDICTIONS).write_text(
        "".join(json.dumps(line) + "\n" for line in ({"journal": 1}, {"cycle": 0, **columns}))
    )
    assert [(point.value, point.of) for point in there.desk.progress("eva#1").curve] == [(2 / 3, 3)]
    there.desk.tell("eva#1", 10, "dent", 2.0, saw_guess=False)
    there.desk.tell("eva#1", 11, NoLabel.UNSURE, 2.0, saw_guess=False)
    assert [(point.value, point.of) for point in there.desk.progress("eva#1").curve] == [(1, 2)]


def test_who_has_no_audit_set_is_told_what_that_means(tmp_path: Path) -> None:
    assert any("no audit set" in note for note in opened(tmp_path, audit=False).desk.progress("e#1").notes)


def test_files_are_read_by_number_and_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    there = opened(tmp_path)
    with pytest.raises(NotAskedError, match="no files"):
        there.desk.file(0)
    object.__setattr__(there.images, "folder", tmp_path)
    with pytest.raises(UserError, match=NAMES[0]):
        there.desk.file(0)
    (tmp_path / NAMES[0]).write_bytes(b"content")
    assert there.desk.file(0) == b"content"


def test_a_hundred_answers_of_four_people_at_once_are_each_kept_once(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, *range(9))
    errors = []

    def work(who: str) -> None:
        try:
            while shown := there.desk.next(who):
                there.desk.tell(who, shown.number, "ok", 0.1, saw_guess=False)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(f"p{number}#0",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(there.pool.labelled[0].tolist()) == list(range(9))
    assert all(len(there.pool.history(number)) == 1 for number in range(9))


def test_a_part_s_label_touches_no_answer_that_is_there(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4, 0)
    there.desk.tell("eva#1", 4, "dent", 1.0, saw_guess=False)
    assert there.desk.tell_part("max#2", 4, "ok", 1.0, saw_guess=False).told == 2
    assert there.desk.standing(4) == "dent"
    assert [there.desk.standing(number) for number in (3, 5)] == ["ok", "ok"]


def test_a_part_of_which_nothing_was_asked_for_is_refused_and_leaves_no_trace(tmp_path: Path) -> None:
    there = opened(tmp_path)
    for _ in range(2):
        with pytest.raises(NotAskedError, match="was never asked for"):
            there.desk.tell_part("eva#1", 4, "ok", 1.0, saw_guess=False)
    assert not opened(tmp_path).pool.batches


def test_a_second_person_skips_what_was_skipped_before(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4)
    there.desk.tell("eva#1", 4, NoLabel.SKIP, 1.0, saw_guess=False)
    ask(there.pool, 4)
    there.desk.tell("max#2", 4, NoLabel.SKIP, 1.0, saw_guess=False)
    assert not len(there.pool.pending)


def test_windows_without_a_name_are_different_people(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4)
    there.desk.tell("#one", 4, "dent", 1.0, saw_guess=False)
    assert there.desk.tell("#two", 4, "ok", 1.0, saw_guess=False).conflict == "dent"


def test_what_was_asked_again_before_a_restart_is_not_asked_once_more(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False, reask=0.5)
    label_two_batches(there)
    shown = there.desk.next("eva#1")
    assert shown is not None
    there.desk.tell("eva#1", shown.number, "ok", 1.0, saw_guess=False)
    again = opened(tmp_path, audit=False, reask=0.5)
    ask(again.pool, 2)
    again.desk.tell("eva#1", 2, "ok", 1.0, saw_guess=False)
    asked_again = [shown.number for _ in range(3) if (shown := again.desk.next("eva#1"))]
    assert len(set(asked_again)) == 1, "for the batch that was finished just now alone"


def test_a_part_is_told_though_somebody_has_told_its_first_view_the_same(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4, 0)
    there.desk.tell("eva#1", 4, "ok", 1.0, saw_guess=False)
    assert there.desk.tell_part("max#2", 4, "ok", 1.0, saw_guess=False).told == 2
    assert sorted(there.pool.labelled[0].tolist()) == [3, 4, 5]


def test_a_correction_of_an_image_that_waits_to_be_asked_again_is_a_correction(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False, reask=1.0)
    label_two_batches(there)
    shown = there.desk.next("eva#1")
    assert shown is not None
    (other,) = {4, 0} - {shown.number}
    there.desk.tell("eva#1", other, "dent", 1.0, saw_guess=False)  # from the gallery
    assert there.desk.standing(other) == "dent"
    assert other not in there.pool.again


def test_labels_are_kept_in_the_order_of_the_classes(tmp_path: Path) -> None:
    there = opened(tmp_path, "multilabel", audit=False)
    ask(there.pool, 4)
    there.desk.tell("eva#1", 4, ("dent", "ok"), 1.0, saw_guess=False)
    assert there.desk.standing(4) == ("ok", "dent")
    assert there.desk.tell("max#2", 4, ("ok", "dent"), 1.0, saw_guess=False).conflict is None


def test_what_a_person_told_last_is_known_whatever_became_of_it(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4)
    there.desk.tell("eva#1", 4, "ok", 1.0, saw_guess=False)
    there.desk.tell("max#2", 4, "dent", 1.0, saw_guess=False)
    assert there.desk.was_told("max#9", 4, "dent")
    assert not there.desk.was_told("max#9", 4, "ok")
    assert there.desk.was_told("eva#1", 4, "ok")


def test_few_parts_in_the_audit_set_are_told_and_its_images_are_not_offered_for_correction(tmp_path: Path) -> None:
    there = opened(tmp_path)
    assert any("shows 1 part only" in note for note in there.desk.progress("eva#1").notes)
    answer_audit(there.desk)
    there.desk.guesses.note(np.array([9]), np.array([[0.0, 3.0]], dtype=np.float32), ("ok", "dent"))
    assert there.desk.gallery(disagrees=True) == []


def test_a_wrong_whole_part_is_corrected_as_a_whole_and_by_its_author_alone(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4, 0)
    there.desk.tell_part("eva#1", 4, "dent", 1.0, saw_guess=False)
    there.desk.tell("eva#1", 3, "dent", 1.0, saw_guess=False)  # by itself, afterwards
    with pytest.raises(NotAskedError, match="all views of this part have a label"):
        there.desk.tell_part("max#2", 4, "ok", 1.0, saw_guess=False)
    for again in (there, opened(tmp_path, audit=False)):
        assert again.desk.tell_part("eva#1", 4, "ok", 1.0, saw_guess=False).told == 2
        assert [again.desk.standing(number) for number in (3, 4, 5)] == ["dent", "ok", "ok"]


def test_it_is_said_that_others_hold_what_is_left(tmp_path: Path) -> None:
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4, 0)
    assert there.desk.next("eva#1")
    assert there.desk.progress("max#2").held == 0
    assert there.desk.next("max#2")
    progress = there.desk.progress("ida#3")
    assert (progress.stage, progress.held) == (None, 2)


def test_guesses_stay_when_images_are_read_again_and_after_a_kill(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4)
    there.desk.tell("eva#1", 4, "dent", 1.0, saw_guess=False)
    there.desk.note_guesses(np.array([4, 0]), np.array([[3, 0], [0, 3]], dtype=np.float32), ("ok", "dent"))
    there.desk.take_up(there.images, (there.audit, there.pool))
    for desk in (there.desk, opened(tmp_path, audit=False).desk):  # nobody has closed the first one
        assert [item.number for item in desk.gallery(disagrees=True)] == [4]
        assert desk.show("eva#1", 0).guess.label == "dent"  # type: ignore[union-attr]
