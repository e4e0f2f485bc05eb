"""A labelling session without the page: files of what is asked for, and files of answers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from coilal.active.labels import NoLabel
from coilal.active.session import Session
from coilal.common.types import UserError
from coilal.evidence.words import counted
from coilal.labelling.answers import answer_text
from coilal.labelling.formats.answers import read
from coilal.labelling.formats.coco import write_coco
from coilal.labelling.formats.label_studio import LOCAL_FILES, interface, tasks
from coilal.labelling.formats.label_table import label_table, settings_to_read
from coilal.labelling.formats.rows import Asked
from coilal.labelling.formats.spreadsheet import asked_sheet
from coilal.labelling.formats.thumbnails import thumbnails_page
from coilal.labelling.formats.yolo import write_yolo
from coilal.labelling.page.encoding import as_file_is, as_model_sees
from coilal.labelling.run import LabellingRun
from coilal.labelling.table import labelled_rows
from coilal.run_directory.files import write_atomically

log = logging.getLogger(__name__)

EXPORTS = ("table", "coco", "yolo")


def take_answers(run: LabellingRun, file: Path, who: str) -> None:
    """Tell a session what stands in a file; what was told before in the same words is passed over.

    Args:
        run: the session.
        file: a table, or an export of Label Studio; see ``formats.answers.read``.
        who: has answered, where the file does not say.

    Raises:
        DataError: lists all that cannot be an answer; then nothing is told.
        UserError: the disk refuses an answer; those before it are kept, and the same file can be given again.
    """
    images, desk = run.images, run.desk
    number_of = {name: number for number, name in enumerate(images.samples.names)}
    asked = [images.samples.names[number] for session in run.sessions for number in _asked(session)]
    given = read(file, images.kind, tuple(desk.classes), asked)
    told = known = 0
    conflicts: list[str] = []
    for name, answer in given.answers.items():
        number = number_of[name]
        by, before = given.who.get(name, who), desk.standing(number)
        is_passed = answer is NoLabel.SKIP and before is not None  # who skips contradicts nobody
        if is_passed or before == answer or desk.was_told(by, number, answer):
            known += 1
            continue
        receipt = desk.tell(by, number, answer, given.seconds.get(name), saw_guess=desk.shows_guess)
        told += 1
        if receipt.conflict is not None and before is not None:
            conflicts.append(
                f"{name}: {answer_text(before)} was told before, and the file says {answer_text(answer)}"
            )
    for note in given.notes:
        log.info("%s: %s", file, note)
    log.info(
        "%s told, %d were told before, %s without an answer",
        counted(told, "answer"),
        known,
        counted(len(given.unanswered), "image"),
    )
    _list(
        "conflicts in the file: they differ, so nothing was told; leave one answer of each, or answer on the page",
        given.conflicts,
    )
    _list("conflicts with what was told before, which counts until it is decided on the page", conflicts)
    _list("skipped, and free to be asked for again", given.skipped)
    for session in run.sessions:
        _tell_of_gaps(session, images.samples.names)


def _tell_of_gaps(session: Session, names: Sequence[str]) -> None:
    """Say which answers are lacking where learning waits for few of a batch: an empty row is easily overlooked."""
    for batch in session.batches:
        waiting = session.pending_of(batch.number)
        if 0 < len(waiting) < len(batch.ids):
            _list(
                "learning waits for these images, the last ones of their batch; a label, unsure or skip in each of "
                "their rows lets it go on",
                [names[number] for number in waiting.tolist()],
            )


def write_asked(run: LabellingRun, folder: Path, found_at: str | None) -> int:
    """Write what waits for an answer as a table, a page of thumbnails and a task file of Label Studio.

    Args:
        run: the session.
        folder: for the files, which are replaced.
        found_at: what addresses of images begin with in Label Studio.

    Returns:
        The number of images that wait.
    """
    images, desk = run.images, run.desk
    audit, pool = run.sessions
    session = audit if len(audit.pending) else pool
    asked, numbers = _rows(run, session)
    classes, kind = tuple(desk.classes), images.kind
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "asked.csv", asked_sheet(asked, kind, classes))
    write_atomically(folder / "label_studio_tasks.json", tasks(asked, found_at or LOCAL_FILES))
    write_atomically(folder / "label_studio_interface.xml", interface(kind, classes))
    what = "audit set: these images only measure" if session is audit else "to be learnt from, the best first"
    title = f"{desk.study}: {counted(len(asked), 'image')}, {what}"
    pictures = (_picture(run, number) for number in numbers)
    page = thumbnails_page(title, asked, pictures, kind, classes, desk.shows_guess)
    write_atomically(folder / "asked.html", page)
    return len(asked)


def export(run: LabellingRun, form: str, out: Path) -> None:
    """Write the labels for other tools: ``table``, ``coco`` or ``yolo``.

    Raises:
        UserError: the form is none of these, or cannot hold the labels; or there is something at ``out``.
    """
    rows, images = labelled_rows(run.images, *run.sessions), run.images
    classes = tuple(run.desk.classes)
    if form not in EXPORTS:
        raise UserError(f"export is '{form}'; choose {', '.join(EXPORTS)}.")
    if form == "table":
        if out.exists():
            raise UserError(f"{out} is there already; give another out=FILE.")
        write_atomically(out, label_table(rows, images.kind, classes))
        if settings := settings_to_read(rows, images.kind, classes):
            log.info("to read it: data=coils data.labels=%s %s", out, " ".join(settings))
        return
    if images.folder is None:
        raise UserError("the images of this session are no files, and other tools could not read them.")
    if form == "coco":
        write_coco(out, rows, classes, images.folder)
    else:
        for note in write_yolo(out, rows, images.kind, images.folder):
            log.warning("%s", note)


def _picture(run: LabellingRun, number: int) -> bytes:
    """Return an image as it is on the disk; as the model sees it where the images are no files."""
    is_file = run.images.folder is not None
    return (as_file_is(run.desk.file(number)) if is_file else as_model_sees(run.desk.pixels(number))).content


def _rows(run: LabellingRun, session: Session) -> tuple[list[Asked], list[int]]:
    samples = run.images.samples
    rows: list[Asked] = []
    numbers: list[int] = []
    for batch in session.batches:
        waiting = set(session.pending_of(batch.number).tolist())
        for number, score in zip(batch.ids.tolist(), batch.scores.tolist(), strict=True):
            if number in waiting:
                guess = run.desk.guesses.of(number) if run.desk.shows_guess else None
                rows.append(
                    Asked(
                        image=samples.names[number],
                        group=samples.groups[number],
                        rank=len(rows) + 1,
                        score=None if score != score else score,
                        guess=None if guess is None else guess.label,
                        confidence=None if guess is None else guess.confidence,
                    )
                )
                numbers.append(number)
    return rows, numbers


def _asked(session: Session) -> list[int]:
    return [number for batch in session.batches for number in batch.ids.tolist()]


def _list(what: str, places: Sequence[str]) -> None:
    if places:
        log.warning("%s (%d):\n  %s", what, len(places), "\n  ".join(places))
