"""Who is shown which image, and what becomes of the answer."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from coilal.active.labels import NoLabel
from coilal.common.types import UserError
from coilal.labelling import desk as desks
from coilal.labelling.contract import NotAskedError
from tests.unit.labelling.sessions import NAMES, Opened, ask, opened


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


def test_what_somebody_holds_and_has_left_is_given_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(desks.time, "monotonic", lambda: clock[0])
    there = opened(tmp_path, audit=False)
    ask(there.pool, 4)
    assert there.desk.next("eva#1")
    assert there.desk.next("max#2") is None
    clock[0] += desks.HELD_S
    assert there.desk.next("max#2").number == 4  # type: ignore[union-attr]


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
    assert told.about == {"who": "eva", "seconds": 2.35, "saw_guess": True, "stage": "batch", "when": when}
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
    assert there.desk.gallery()[0].history == ["eva: dent", "eva: ok"]
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
    assert any("1 images of the audit set have no label" in note for note in progress.notes)
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
    assert any("shows 1 parts only" in note for note in there.desk.progress("eva#1").notes)
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
