"""A labelling session from its settings on, without a page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from coilal.active.labels import NoLabel
from coilal.common.types import UserError
from coilal.labelling import run as runs
from coilal.labelling.run import LabellingRun
from coilal.run_directory.files import read_status
from coilal.run_directory.store import read_cycles, read_queries
from coilal.runs.run import run
from coilal.runs.settings import Settings

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


@contextmanager
def working(cfg: DictConfig) -> Iterator[LabellingRun]:
    """Let a session learn in a thread, as the page's main thread does."""
    session = LabellingRun(Settings.of(cfg))
    errors: list[BaseException] = []

    def work() -> None:
        try:
            session.work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield session
    session.stop()
    thread.join(60)
    assert not thread.is_alive()
    assert [type(error) for error in errors] in ([], [KeyboardInterrupt])


def wait_for(holds: Callable[[], object]) -> None:
    end = threading.Event()
    for _ in range(1200):
        if holds():
            return
        end.wait(0.05)
    raise AssertionError("it did not come to that")


def test_a_session_learns_batch_by_batch_and_goes_on_where_it_was_left(composed: Compose, folder: Path) -> None:
    cfg = settings(composed, folder)
    session = advance(cfg)
    assert read_status(session.folder)["state"] == "paused"
    assert len(session.pool.pending) == 12, "the starting set, and the batch after it"
    session = advance(cfg)
    assert read_cycles(session.folder)["labelled"].tolist() == [6, 12]
    assert read_queries(session.folder)["label"].isin(["ok", "dent"]).all()
    table = pd.read_csv(session.folder / "labels.csv", keep_default_na=False)
    assert (table["label"] == table["image"].map(label_of)).all()
    assert table["split"].value_counts().to_dict() == {"pool": 12, "test": 6}
    assert (session.folder / "checkpoints" / "model.safetensors").exists()


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
    cfg = settings(composed, folder)
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
        wait_for(lambda: "Spule88_0.png" in session.images.samples.names)


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
    assert any(gone in note and "are gone" in note for note in again.desk.notes)
    assert any(changed in note and "show something else" in note for note in again.desk.notes)


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
    with pytest.raises(UserError, match="another process is working"):
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
    monkeypatch.setattr(runs, "RETRY_S", 0.3)
    with working(settings(composed, folder)) as session:
        wait_for(lambda: answer_all(session) >= 18)
        (folder / "Spule90_0.png").write_bytes(b"half")
        wait_for(lambda: any("nothing of that is taken up yet" in note for note in session.desk.notes))
        write(folder / "Spule90_0.png", np.random.default_rng(5), is_faulty=False)
        wait_for(lambda: "Spule90_0.png" in session.images.samples.names)
