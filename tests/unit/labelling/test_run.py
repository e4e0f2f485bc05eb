"""A labelling session from its settings on, without a page."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from coilal.active.labels import NoLabel, Prediction
from coilal.common.types import UserError
from coilal.labelling import run as runs
from coilal.labelling import watch
from coilal.labelling.images import Images
from coilal.labelling.person import Person
from coilal.labelling.run import LabellingRun
from coilal.prediction.relabel import RelabelRequest, relabel
from coilal.run_directory.files import has_cycles, read_status
from coilal.run_directory.store import read_cycles, read_queries
from coilal.runs.run import run
from coilal.runs.settings import Settings
from tests.e2e.test_full_disk import DEVICE, Disk
from tests.unit.labelling.working import wait_for, working

pytestmark = pytest.mark.slow

Compose = Callable[..., DictConfig]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve coils of three views; faulty ones are bright on the left."""
    there = tmp_path / "images"
    there.mkdir()
    generator = np.random.default_rng(0)
    for coil in range(12):
        for view in range(3):
            write(there / f"Spule{coil:02}_{view}.png", generator, coil % 2 == 1)
    return there


def write(path: Path, generator: np.random.Generator, is_faulty: bool) -> None:
    pixels = generator.integers(0, 90, (56, 42), dtype=np.uint8)
    pixels[:, :14] += np.uint8(150 * is_faulty)
    Image.fromarray(pixels).save(path)


def label_of(name: str) -> str:
    return "dent" if int(name[5:7]) % 2 else "ok"


def settings(composed: Compose, folder: Path, *overrides: str) -> DictConfig:
    return composed(
        *("label=session", "data=coils", f"data.root={folder}", "label.classes=[ok,dent]", "label.audit=6"),
        *("data.image.size=[56,42]", "trainer.accelerator=cpu", "trainer.max_epochs=2", "label.reask=0"),
        *("budget.initial=6", "budget.query=6", "strategy=margin", f"outputs={folder.parent / 'outputs'}"),
        *(f"cache.dir={folder.parent / 'cache'}", *overrides),
    )


def advance(cfg: DictConfig, answers: Callable[[str], str | NoLabel] = label_of) -> LabellingRun:
    """Answer what waits, and let the model learn, as ``coilal.ask`` does."""
    session = LabellingRun(Settings.of(cfg))
    try:
        while shown := session.desk.next("eva#1"):
            session.desk.tell("eva#1", shown.number, answers(shown.name), 1.0, saw_guess=False)
        session.advance()
    finally:
        session.close()
    return session


def test_a_session_learns_batch_by_batch_and_goes_on_where_it_was_left(composed: Compose, folder: Path) -> None:
    cfg = settings(composed, folder)
    session = advance(cfg)
    assert read_status(session.folder)["state"] == "paused"
    assert len(session.pool.pending) == 12, "the starting set, and the batch after it"
    session = advance(cfg)
    assert read_cycles(session.folder)["labelled"].tolist() == [6, 12]
    assert read_queries(session.folder)["label"].isin(["ok", "dent"]).all()
    curve = session.desk.progress("eva#1").curve
    assert [point.value for point in curve] == pytest.approx(read_cycles(session.folder)["test/accuracy"].tolist())
    assert [(point.of, point.groups) for point in curve] == [(8, 4)] * 2
    table = pd.read_csv(session.folder / "labels.csv", keep_default_na=False)
    assert (table["label"] == table["image"].map(label_of)).all()
    assert table["split"].value_counts().to_dict() == {"pool": 12, "test": 8}
    assert (session.folder / "checkpoints" / "model.safetensors").exists()
    first, *later = (batch.ids.tolist() for batch in session.pool.batches)
    guesses = session.desk.guesses
    assert all(guesses.of(number) is None for number in first), "no model has seen them before it learnt from them"
    assert all(guesses.of(number) for batch in later for number in batch)


def test_a_pool_that_is_empty_ends_it_and_new_files_begin_it_anew(composed: Compose, folder: Path) -> None:
    cfg = settings(composed, folder)
    for _ in range(5):
        session = advance(cfg)
    assert read_status(session.folder)["state"] == "done"
    assert not len(session.pool.unlabelled)
    write(folder / "Spule77_0.png", np.random.default_rng(9), is_faulty=True)
    session = advance(cfg)
    assert session.pool.unlabelled.size + session.pool.pending.size == 1


def test_who_is_unsure_of_a_whole_batch_teaches_nothing_and_goes_on(composed: Compose, folder: Path) -> None:
    cfg = settings(composed, folder, "label.audit=2")
    advance(cfg)
    advance(cfg)
    session = advance(cfg, lambda _: NoLabel.UNSURE)
    assert read_cycles(session.folder)["labelled"].tolist()[-1] == 12
    session = advance(cfg)
    assert read_cycles(session.folder)["labelled"].tolist()[-1] > 12


def test_the_page_s_thread_learns_a_class_that_is_added_and_sees_new_files(composed: Compose, folder: Path) -> None:
    with working(settings(composed, folder)) as session:
        wait_for(lambda: answer_all(session) >= 18)
        wait_for(lambda: (session.folder / "cycles.csv").exists() and len(read_cycles(session.folder)) >= 2)
        session.desk.add_class("scratch")
        write(folder / "Spule88_0.png", np.random.default_rng(9), is_faulty=True)
        wait_for(lambda: answer_all(session) >= 30)
        wait_for(lambda: "test/recall/scratch" in read_cycles(session.folder))
        wait_for(lambda: has_taken_up(session, "Spule88_0.png"))


def test_who_waits_for_nobody_takes_up_new_files_at_the_next_start(
    composed: Compose, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = settings(composed, folder)
    advance(cfg)
    monkeypatch.setattr(watch, "LOOK_AT_FOLDER_S", -1.0)
    session = LabellingRun(Settings.of(cfg))
    answer_all(session)
    write(folder / "Spule88_0.png", np.random.default_rng(9), is_faulty=True)
    session.advance()
    session.close()
    assert read_cycles(session.folder)["labelled"].tolist() == [6, 12]
    assert "Spule88_0.png" in advance(cfg).images.samples.names


def test_what_is_told_while_a_run_begins_is_noticed(
    composed: Compose, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, prepared = LabellingRun(Settings.of(settings(composed, folder))), Images.prepared

    def told_meanwhile(do: Callable[[], object]) -> bool:
        with monkeypatch.context() as patched:
            patched.setattr(Images, "prepared", lambda *given: (do(), prepared(*given))[1])
            person = session._experiment().annotator
        assert isinstance(person, Person)
        return person._must_begin_anew()

    assert not told_meanwhile(lambda: None)
    assert told_meanwhile(lambda: session.desk.add_class("scratch")), "it would learn without the class"
    assert told_meanwhile(lambda: answer_next(session)), "it would be measured without the label"
    session.close()


def has_taken_up(session: LabellingRun, name: str) -> bool:
    with session.desk.changed:  # as the page does: a new image comes with the room for its guess and with the notes
        return name in session.images.samples.names


def answer_all(session: LabellingRun) -> int:
    while shown := session.desk.next("eva#1"):
        session.desk.tell("eva#1", shown.number, label_of(shown.name), 1.0, saw_guess=False)
    return len(session.pool.labelled[0]) + len(session.desk.audited)


def test_images_that_are_gone_or_changed_are_told(composed: Compose, folder: Path) -> None:
    cfg = settings(composed, folder)
    advance(cfg)
    session = advance(cfg)
    gone, changed = (session.images.samples.names[number] for number in session.pool.labelled[0][:2])
    (folder / gone).unlink()
    write(folder / changed, np.random.default_rng(99), is_faulty=False)
    again = LabellingRun(Settings.of(cfg))
    again.close()
    assert again.desk.notes == [f"1 image that was asked for is gone; its label is kept, unused: {gone}"]
    assert again.desk.changed_images() == [
        f"1 image shows something else than when it was labelled: look again at {changed}"
    ]
    advance(cfg)  # notes what the folder holds now
    last = LabellingRun(Settings.of(cfg))
    last.close()
    assert last.desk.changed_images() == again.desk.changed_images(), "until it is told anew"


def test_a_table_s_labels_are_learnt_from_at_once_and_can_be_corrected(composed: Compose, folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir())
    rows = [f"{name},{label_of(name) if name < 'Spule06' else ''}" for name in names]
    (folder / "labels.csv").write_text("\n".join(["image,label", *rows]))
    session = advance(settings(composed, folder))
    told = session.pool.batches[0].ids.tolist()
    assert {session.images.samples.names[number] for number in told} <= set(names[:18])
    assert session.pool.history(told[0])[0].about["who"] == "table"


def test_other_settings_and_the_directory_of_a_study_are_refused(composed: Compose, folder: Path) -> None:
    advance(settings(composed, folder))
    advance(settings(composed, folder))
    with pytest.raises(UserError, match="a session with other settings"):
        LabellingRun(Settings.of(settings(composed, folder, "budget.query=7")))
    cfg = settings(composed, folder)
    plain = OmegaConf.masked_copy(cfg, [key for key in cfg if key != "label"])
    with pytest.raises(UserError, match=r"label=… is for python -m coilal\.label"):
        run(cfg)
    for force in (False, True):
        plain.force = force
        with pytest.raises(UserError, match="what people told is never replaced"):
            run(plain)


def test_two_at_once_on_one_session_are_refused(composed: Compose, folder: Path) -> None:
    session = LabellingRun(Settings.of(settings(composed, folder)))
    with pytest.raises(UserError, match=rf"is open already since 20.*, by process {os.getpid()} on .*Ctrl-C"):
        LabellingRun(Settings.of(settings(composed, folder)))
    session.close()


def test_a_multilabel_session(composed: Compose, folder: Path) -> None:
    cfg = settings(composed, folder, "task=multilabel", "label.classes=[dent,gap]", "strategy=avg_confidence")
    both = lambda name: ("dent",) if label_of(name) == "dent" else ()  # noqa: E731
    advance(cfg, both)
    session = advance(cfg, both)
    assert "test/exact_match" in read_cycles(session.folder)
    table = pd.read_csv(session.folder / "labels.csv")
    assert (table["dent"] == table["image"].map(lambda name: int(label_of(name) == "dent"))).all()


def test_who_is_unsure_of_the_whole_starting_set_is_asked_for_more(composed: Compose, folder: Path) -> None:
    cfg = settings(composed, folder, "budget.ahead=0")
    advance(cfg)
    session = advance(cfg, lambda _: NoLabel.UNSURE)
    assert len(session.pool.batches[0].ids) == 12
    assert len(session.pool.pending) == 6
    session = advance(cfg)
    assert read_cycles(session.folder)["labelled"].tolist() == [6]


def part_of_the_audit(cfg: DictConfig, most: int) -> LabellingRun:
    """Answer some images of the audit set, and close the session."""
    session = LabellingRun(Settings.of(cfg))
    for _ in range(most):
        shown = session.desk.next("eva#1")
        assert shown is not None
        session.desk.tell("eva#1", shown.number, label_of(shown.name), 1.0, saw_guess=False)
    session.close()
    return session


def test_closed_within_the_audit_it_goes_on_with_the_same_images(composed: Compose, folder: Path) -> None:
    cfg = settings(composed, folder)
    first = part_of_the_audit(cfg, 2)
    assert read_status(first.folder)["state"] == "paused"
    waiting = first.sessions[0].pending.tolist()
    for number in range(20, 40):  # many new coils, before the model has begun
        write(folder / f"Spule{number}_0.png", np.random.default_rng(number), is_faulty=False)
    again = LabellingRun(Settings.of(cfg))
    names = again.images.samples.names
    assert [names[number] for number in again.sessions[0].pending] == [
        first.images.samples.names[number] for number in waiting
    ]
    assert not again.desk.notes
    again.close()
    with pytest.raises(UserError, match="a session with other settings"):
        LabellingRun(Settings.of(settings(composed, folder, "budget.query=7")))


def test_a_session_goes_on_without_a_labelled_file(composed: Compose, folder: Path) -> None:
    cfg = settings(composed, folder)
    advance(cfg)
    session = advance(cfg)
    (folder / session.images.samples.names[session.pool.labelled[0][0]]).unlink()
    before = read_cycles(session.folder)
    session = advance(cfg)
    assert len(read_cycles(session.folder)) > len(before)


def test_a_class_alone_in_the_table_is_enough_where_the_settings_name_others(
    composed: Compose, folder: Path
) -> None:
    (folder / "labels.csv").write_text("image,label\nSpule00_0.png,ok\nSpule02_1.png,ok\n")
    session = LabellingRun(Settings.of(settings(composed, folder)))
    session.close()
    assert tuple(session.desk.classes) == ("ok", "dent")


def test_what_is_skipped_last_comes_again_and_new_files_come_in_batches(composed: Compose, folder: Path) -> None:
    cfg = settings(composed, folder)
    skipped: set[str] = set()
    for _ in range(5):
        session = advance(cfg, lambda name, left=skipped: NoLabel.SKIP if name in left else label_of(name))  # type: ignore[misc]
        skipped = {session.images.samples.names[number] for number in session.pool.pending[:1].tolist()}
    session = advance(cfg)
    assert not len(session.pool.unlabelled)
    for number in range(50, 70):
        write(folder / f"Spule{number}_0.png", np.random.default_rng(number), is_faulty=bool(number % 2))
    session = advance(cfg)
    assert 0 < len(session.pool.pending) <= 12


def test_a_half_copied_file_is_taken_up_when_it_is_whole(
    composed: Compose, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "RETRY_S", 0.3)
    with working(settings(composed, folder)) as session:
        wait_for(lambda: answer_all(session) >= 18)
        (folder / "Spule90_0.png").write_bytes(b"half")
        wait_for(lambda: any("nothing of that is taken up yet" in note for note in session.desk.notes))
        write(folder / "Spule90_0.png", np.random.default_rng(5), is_faulty=False)
        wait_for(lambda: has_taken_up(session, "Spule90_0.png"))


def guesses_of(session: LabellingRun) -> dict[int, Prediction]:
    guesses = session.desk.guesses
    return {number: guess for number in range(len(session.images.samples)) if (guess := guesses.of(number))}


def looked_at(session: LabellingRun) -> set[int]:
    """Return what a model looks at that has learnt from the first batch alone."""
    return {*session.images.audit.tolist(), *session.images.pool.tolist()} - {*session.pool.batches[0].ids.tolist()}


def test_new_files_take_no_guess_away(composed: Compose, folder: Path) -> None:
    cfg = settings(composed, folder)
    advance(cfg)
    with working(cfg) as session:
        for _ in range(12):
            shown = session.desk.next("eva#1")
            assert shown is not None
            session.desk.tell("eva#1", shown.number, label_of(shown.name), 1.0, saw_guess=False)
        wait_for(lambda: (session.folder / "cycles.csv").exists() and len(read_cycles(session.folder)) == 2)
        wait_for(lambda: not session.desk.learning)
        before = guesses_of(session)
        assert before.keys() == looked_at(session)
        write(folder / "Spule88_0.png", np.random.default_rng(9), is_faulty=True)
        wait_for(lambda: has_taken_up(session, "Spule88_0.png"))
        assert guesses_of(session) == before


class Killed(BaseException):
    """What a process that is killed does: nothing more."""


@pytest.mark.parametrize("after", range(4, 13))
def test_killed_at_any_file_of_a_cycle_there_are_guesses_for_what_was_asked(
    composed: Compose, folder: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    cfg = settings(composed, folder)
    advance(cfg)
    session = LabellingRun(Settings.of(cfg))
    answer_all(session)
    replace, left = os.replace, iter(range(after))

    def until_killed(*args: Any, **kwargs: Any) -> None:
        if next(left, None) is None:
            raise Killed
        replace(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", until_killed)
        with suppress(Killed):
            session.advance()
    session._lock.release()
    again = LabellingRun(Settings.of(cfg))
    again.close()
    if has_cycles(again.folder) or len(again.pool.batches) > 2:  # the third one was chosen by a model
        assert guesses_of(again).keys() == looked_at(again)


def test_a_session_keeps_its_audit_set_and_says_so(composed: Compose, folder: Path) -> None:
    cfg = settings(composed, folder)
    session = advance(cfg)
    audited = session.desk.audited
    for override in ("label.audit=0", "label.audit=12"):
        number = override.partition("=")[2]
        with pytest.raises(UserError, match=rf"label\.audit: 6 → {number}\n.*study=default alone takes all"):
            LabellingRun(Settings.of(settings(composed, folder, override)))
    for override in ("label.audit=6", "label.show_guess=true", "label.classes=[ok,dent,gap]"):
        again = LabellingRun(Settings.of(settings(composed, folder, override)))
        again.close()
        assert again.desk.audited == audited
        assert again.pool.pending.tolist() == session.pool.pending.tolist()
        assert not again.desk.notes


def answer_next(session: LabellingRun) -> None:
    shown = session.desk.next("eva#1")
    assert shown is not None
    session.desk.tell("eva#1", shown.number, label_of(shown.name), 1.0, saw_guess=False)


@pytest.mark.skipif(not DEVICE.exists(), reason="there is no /dev/full here")
def test_a_disk_that_is_full_at_any_file_of_a_cycle_ends_nothing(
    composed: Compose, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "ROOM_S", 0.05)
    cfg = settings(composed, folder, "budget.initial=3", "budget.query=3")
    disk = Disk(monkeypatch)
    with working(cfg) as session:
        desk, table = session.desk, session.folder / "cycles.csv"
        for _ in range(8):
            answer_next(session)
        for cycle in range(6):
            wait_for(lambda: len(session.pool.pending) and not desk.learning)
            answer_next(session)
            answer_next(session)
            disk.becomes_full(after=1 + cycle)
            answer_next(session)
            wait_for(lambda: desk.trouble)
            (note,) = (note for note in desk.progress("eva#1").notes if "the disk is full" in note)
            assert "free some space. Until then the model learns nothing" in note
            if shown := desk.next("eva#1"):  # the batch after it
                with pytest.raises(UserError, match="the disk is full"):
                    desk.tell("eva#1", shown.number, "ok", 1.0, saw_guess=False)
                assert desk.standing(shown.number) is None
            disk.has_room()
            wait_for(lambda done=cycle + 1: table.exists() and len(read_cycles(session.folder)) == done)
            wait_for(lambda: not desk.trouble)
        disk.becomes_full(after=0)
        session.stop()
    disk.has_room()
    session._lock.release()  # which is of the thread that has acquired it
    assert read_cycles(session.folder)["labelled"].tolist() == [3, 6, 9, 12, 15, 18]
    again = LabellingRun(Settings.of(cfg))
    again.close()
    told = [len(again.pool.history(number)) for number in again.pool.labelled[0].tolist()]
    assert told == [1] * 18
    assert (read_queries(session.folder)["label"] == read_queries(session.folder)["image"].map(label_of)).all()


@pytest.fixture
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LOOK_AT_FOLDER_S", 0.2)


def said_to(session: LabellingRun) -> list[str]:
    """Return what the page says of the folder."""
    return [*session.desk.notes, *session.desk.changed_images()]


@pytest.mark.usefixtures("looks_often")
def test_files_in_a_new_folder_are_taken_up_though_it_was_empty_at_first(composed: Compose, folder: Path) -> None:
    generator = np.random.default_rng(5)
    (folder / "2026/11/29").mkdir(parents=True)
    write(folder / "2026/11/29/Spule50_0.png", generator, is_faulty=False)
    with working(settings(composed, folder)) as session:
        wait_for(lambda: session.desk.learning == "")
        (folder / "2026/12/01").mkdir(parents=True)
        wait_for(lambda: folder / "2026/12/01" in session._watch._folders)
        write(folder / "2026/12/01/Spule51_0.png", generator, is_faulty=False)
        wait_for(lambda: has_taken_up(session, "2026/12/01/Spule51_0.png"))


@pytest.mark.usefixtures("looks_often")
def test_an_image_that_is_overwritten_in_place_is_told_of_and_one_that_is_touched_is_not(
    composed: Compose, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with working(settings(composed, folder)) as session:
        told = tell_some(session, 3)
        was_read = session.images
        os.utime(folder / told[0], ns=(1, 1))
        wait_for(lambda: session.images is not was_read)
        assert said_to(session) == []
        write(folder / told[1], np.random.default_rng(99), is_faulty=False)
        wait_for(session.desk.changed_images)
        note = f"1 image shows something else than when it was labelled: look again at {told[1]}"
        assert said_to(session) == [note]
        assert caplog.text.count(note) == 1, "on the terminal, too"
        number = session.images.samples.names.index(told[1])
        session.desk.tell("eva#1", number, label_of(told[1]), 1.0, saw_guess=False)
        assert said_to(session) == []


def tell_some(session: LabellingRun, count: int) -> list[str]:
    """Answer some images, and return their names."""
    names = []
    for _ in range(count):
        shown = session.desk.next("eva#1")
        assert shown is not None
        session.desk.tell("eva#1", shown.number, label_of(shown.name), 1.0, saw_guess=False)
        names.append(shown.name)
    return names


@pytest.mark.usefixtures("looks_often")
def test_where_files_are_gone_new_ones_are_taken_up_and_the_ids_stay(composed: Compose, folder: Path) -> None:
    cfg = settings(composed, folder)
    with working(cfg) as session:
        told = tell_some(session, 1)[0]
        shown = session.desk.next("eva#1")
        assert shown is not None
        before = session.images.samples.names
        pixels = session.desk.pixels(before.index(told))
        (folder / told).unlink()
        (folder / shown.name).unlink()
        wait_for(lambda: any("2 images are gone from the folder" in note for note in session.desk.notes))
        write(folder / "Spule00_9.png", np.random.default_rng(5), is_faulty=False)
        wait_for(lambda: has_taken_up(session, "Spule00_9.png"))
        assert session.images.samples.names == (*before, "Spule00_9.png")
        assert session.desk.standing(before.index(told)) == label_of(told), "what was told counts"
        np.testing.assert_array_equal(session.desk.pixels(before.index(told)), pixels)
        assert shown.number not in session.sessions[0].pending, "nobody is asked for what nobody can see"
        wait_for(lambda: answer_all(session) >= 13)
        wait_for(lambda: (session.folder / "cycles.csv").exists() and len(read_cycles(session.folder)) >= 1)
        write(folder / told, np.random.default_rng(6), is_faulty=False)
        wait_for(lambda: any(told in note and "something else" in note for note in said_to(session)))
    again = LabellingRun(Settings.of(cfg))
    again.close()
    assert any("1 image that was asked for is gone" in note and shown.name in note for note in again.desk.notes)


@pytest.mark.usefixtures("looks_often")
def test_a_copy_of_an_image_is_left_out_and_named_and_the_session_goes_on(composed: Compose, folder: Path) -> None:
    cfg = settings(composed, folder)
    copy_note = "1 image is a copy of others, pixel by pixel, and left out"
    with working(cfg) as session:
        told = tell_some(session, 1)[0]
        before = session.images.samples.names
        (folder / "Spule00_.png").write_bytes((folder / told).read_bytes())
        write(folder / "Spule70_0.png", np.random.default_rng(5), is_faulty=False)
        wait_for(lambda: has_taken_up(session, "Spule70_0.png"))
        assert session.images.samples.names == (*before, "Spule70_0.png")
        assert any(copy_note in note and f"Spule00_.png is {told}" in note for note in session.desk.notes)
    again = advance(cfg)
    assert "Spule00_.png" not in again.images.samples.names
    assert any(copy_note in note and f"Spule00_.png is {told}" in note for note in again.desk.notes)
    assert again.desk.standing(again.images.samples.names.index(told)) == label_of(told)
    keeping = LabellingRun(Settings.of(settings(composed, folder, "data.source.duplicates=keep")))
    keeping.close()
    assert "Spule00_.png" in keeping.images.samples.names, "as the note offers"
    last = LabellingRun(Settings.of(cfg))
    last.close()
    assert "Spule00_.png" in last.images.samples.names, "what is known stays"
    assert any(
        "1 image that was there before shows the same as another one now" in note for note in last.desk.notes
    )


def test_a_session_with_a_copy_in_its_folder_can_be_looked_through_again(composed: Compose, folder: Path) -> None:
    cfg = settings(composed, folder)
    for _ in range(3):
        session = advance(cfg)
    (folder / "Spule00_.png").write_bytes((folder / "Spule00_0.png").read_bytes())
    queue = pd.read_csv(relabel(RelabelRequest.of({"run": str(session.folder)})))
    assert queue["image"].str.match(r"Spule\d+_\d.png").all()


def test_a_session_that_begins_refuses_copies(composed: Compose, folder: Path) -> None:
    (folder / "Spule00_.png").write_bytes((folder / "Spule00_0.png").read_bytes())
    with pytest.raises(UserError, match="duplicate images"):
        LabellingRun(Settings.of(settings(composed, folder)))
