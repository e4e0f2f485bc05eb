"""A labelling session from its settings on: a run whose oracle is people."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf

from coilal.active.journal import Journal
from coilal.active.labels import NoLabel, as_text
from coilal.active.outputs import Selection
from coilal.active.session import Session
from coilal.common.cli import user_error
from coilal.common.machine import AGAIN, lacks_room
from coilal.common.typed import shell
from coilal.common.types import IntArray, Problem, UserError
from coilal.evidence.words import counted
from coilal.labelling.desk import SessionDesk
from coilal.labelling.images import read_images
from coilal.labelling.known import few
from coilal.labelling.opened import note_opened, where_open
from coilal.labelling.person import LOOK_S, Anew, NothingToLearnError, Person, StoppedError
from coilal.labelling.settings import LabelSettings, other_settings
from coilal.labelling.table import write_labels
from coilal.labelling.watch import FolderWatch
from coilal.run_directory.data_record import read_rows
from coilal.run_directory.files import (
    InUseError,
    ensure_writable,
    has_cycles,
    lock,
    now,
    read_status,
    write_atomically,
    write_status,
)
from coilal.run_directory.health import AUDIT, LABELS, REPLACE, SESSION, DamagedError, ensure_sound, read_config
from coilal.run_directory.identity import differences, identity_hash
from coilal.run_directory.parts import EARLIER_PARTS, parts_so_far
from coilal.runs.assemble import assemble
from coilal.runs.experiment import Experiment
from coilal.runs.inputs import training_inputs
from coilal.runs.learn import learn
from coilal.runs.progress import RunProgress
from coilal.runs.provenance import initial_status
from coilal.runs.run import settled
from coilal.runs.settings import Settings
from coilal.runs.study_map import map_name

log = logging.getLogger(__name__)

ROOM_S = 5.0
"""Seconds after which learning is tried again where a disk was full."""
COPIES = "data.source.duplicates: "
"""May differ at each start: what becomes of copies that come later, those that are known stay."""
WAY_OUT = "bring the file back from a copy; a labelling session is never replaced"


class LabellingRun:
    """A run directory in which people label; the lock of the directory is held as long as it is open.

    Args:
        settings: those of the run.

    Raises:
        UserError: settings, data or the directory cannot be used; says which.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, self.label = settings, LabelSettings.of(settings)
        self.folder = settings.folder()
        ensure_writable(self.folder)
        self._ensure_sound()
        self._ensure_same()
        self.plan, self._weights = settled(settings)
        self._began_reading = time.time_ns()
        self._said: list[str] = []
        self.images = read_images(settings, self.plan.task, self.label, known=self._known())
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock = lock(self.folder)
        except InUseError:
            raise UserError(where_open(self.folder)) from None
        try:
            note_opened(self.folder)
            self._open()
        except BaseException:
            self._lock.release()
            raise

    def _open(self) -> None:
        """Open the sessions and the desk; the split is kept before anybody sees an image."""
        settings = self.settings
        (self.folder / "checkpoints").mkdir(exist_ok=True)
        self.desk = SessionDesk(settings.study, self.folder, self.images, self.label, self._sessions(), self._seed)
        self._tell(self._what_changed())
        self._begin(self._experiment())

    @property
    def sessions(self) -> tuple[Session, Session]:
        """Return that of the audit set, and that of what is learnt from."""
        return self._opened

    @property
    def pool(self) -> Session:
        """Return the session that asks for what is learnt from."""
        return self._opened[1]

    @property
    def has_model(self) -> bool:
        """Return whether a batch has been learnt from."""
        return has_cycles(self.folder)

    def advance(self) -> None:
        """Learn from what is told, as far as batches are complete, and ask for the next ones; wait for nobody."""
        experiment = self._experiment(waits=False)
        self._begin(experiment)
        if not self.desk.is_audited:
            return
        self._tell_table()
        with suppress(NothingToLearnError):
            learn([experiment])
            self._note_end()

    def work(self) -> None:
        """Learn whenever a batch is labelled, until ``stop`` or an interrupt; the same command goes on.

        A disk that is full ends nothing: people see it on the page, and learning is tried again.
        """
        try:
            with suppress(StoppedError):
                while True:
                    try:
                        self._work()
                        self._reread()
                    except Exception as error:
                        if not lacks_room(error):
                            raise
                        self._wait_for_room(error)
        finally:
            self.close()

    def stop(self) -> None:
        """End ``work``, which another thread does, as soon as it waits."""
        with self.desk.changed:
            self.desk.is_stopped = True
            self.desk.changed.notify_all()

    def _wait_for_room(self, error: Exception) -> None:
        """Say that a disk is full, and wait a moment; what was not recorded is learnt anew, from what was told."""
        refused = str(user_error(error) or error).removesuffix(f" {AGAIN}")
        trouble = f"{refused} Until then the model learns nothing. What was told is kept, and it goes on by itself."
        if trouble != self.desk.trouble:
            log.warning("%s", trouble)
        with self.desk.changed:
            self.desk.trouble, self.desk.learning = trouble, "waiting for room on the disk"
            if self.desk.changed.wait_for(lambda: self.desk.is_stopped, ROOM_S):
                raise StoppedError

    def close(self) -> None:
        """Note that nobody works here any more, write the label table, and release the directory."""
        self._keep_table()
        try:
            status = read_status(self.folder)
            if status.get("state") == "running":
                write_status(self.folder, {**status, "state": "paused", "end": now()})
        except UserError as error:  # what people told is in the journals
            log.warning("that the session has ended is not noted: %s", error)
        finally:
            self._lock.release()

    def _keep_table(self) -> None:
        """Write the label table; the journals hold the same, so that a full disk stops nobody."""
        try:
            self.write_table()
        except UserError as error:
            log.warning("the label table is not up to date: %s", error)

    def write_table(self) -> Path:
        """Write what was told as a table that ``data=coils`` reads, and return its file."""
        path = self.folder / LABELS
        write_labels(path, self.images, tuple(self.desk.classes), *self._opened)
        return path

    def _work(self) -> None:
        """Learn until classes, audit labels or images change; where nothing is left to be learnt, wait for that."""
        experiment = self._experiment()
        name = experiment.settings.title()
        with RunProgress(name, None, "", told=self._told_of_audit) as progress:
            self.desk.learning = "looking at all images"
            training_inputs(experiment, progress)
            self.desk.learning = ""
            progress.phase("waiting for answers")
            with self.desk.changed:
                while not self.desk.is_audited:
                    if self.desk.is_stopped:
                        raise StoppedError
                    if self._watch.has_changed():
                        return
                    self.desk.waits()
                    self.desk.changed.wait(LOOK_S)
        experiment = self._experiment()
        self._begin(experiment)
        self._tell_table()
        with suppress(Anew):
            learn([experiment])
            self._note_end()
            self.desk.waits()
            log.info("all images are labelled; new files in the folder are taken up, Ctrl-C ends the session")
            person = experiment.annotator
            assert isinstance(person, Person)
            person.wait()

    def _told_of_audit(self) -> str:
        audit = self._opened[0]
        return f"{len(audit.labelled[0])} of {counted(len(self.images.audit), 'label')} of the audit set"

    def _note_end(self) -> None:
        done = {"state": "done", "end": now(), "validation_aulc": None}
        write_status(self.folder, {**read_status(self.folder), **done})

    def _experiment(self, waits: bool = True) -> Experiment:
        batch = self.plan.budget.query
        # Who waits for nobody ends soon; what is new in the folder is taken up at the next start.
        is_changed = self._watch.has_changed if waits else lambda: False
        with self.desk.changed:  # a class or an audit label that comes after this must find a person who misses it
            names, audited = self.images.names(self.pool.added), self.desk.audited
            person = Person(self.desk, self.pool, names, is_changed, batch, self._keep_table, waits)
        prepared = self.images.prepared(names, audited)
        return assemble(self.settings, self.plan, self._weights, person=(person, prepared))

    def _begin(self, experiment: Experiment) -> None:
        """Write what the run is; what it was stays in its earlier parts."""
        settings, prepared = self.settings, experiment.prepared
        prepared.keep_records()
        earlier = [part for part in parts_so_far(self.folder) if part["cycles"]]
        identity = read_status(self.folder).get("identity") or identity_hash(
            settings.config, {**prepared.record.aspects, "weights": experiment.weights}
        )
        status = initial_status(settings, identity, prepared, experiment.weights)
        if map_of_pool := map_name(experiment):
            status["data"]["map"] = map_of_pool
        status |= {"labelling": True, **({EARLIER_PARTS: earlier} if earlier else {})}
        write_atomically(self.folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(dict(settings.config))))
        write_atomically(self.folder / "splits.csv", prepared.counts.to_csv())
        write_status(self.folder, status)

    def _tell_table(self) -> None:
        """Ask for and tell what the table says of the pool, before anything else."""
        told = self.images.told_by_table
        if told and not self.pool.batches:
            ids = np.array(list(told), dtype=np.int64)
            self.pool.ask(lambda _: Selection(ids, np.full(len(ids), np.nan)))
        untold = {number: told[number] for number in self.pool.pending.tolist() if number in told}
        if untold:
            self.desk.tell_table(untold)

    def _sessions(self) -> tuple[Session, Session]:
        names = self.images.samples.names
        audit = Session(names, self.images.audit, Journal(self.folder / AUDIT, WAY_OUT), may_lose=True)
        pool = Session(names, self.images.pool, Journal(self.folder / SESSION, WAY_OUT), may_lose=True)
        self._opened = audit, pool
        self._watch = FolderWatch(self.images, self._began_reading, self._asked)
        return audit, pool

    def _asked(self) -> IntArray:
        """Return the ids of the images that were asked for."""
        batches = [batch.ids for session in self._opened for batch in session.batches]
        return np.unique(np.concatenate([np.empty(0, dtype=np.int64), *batches]))

    def _known(self) -> set[str]:
        """Return the names of the images that the session had when it was last open; none where it begins."""
        record = read_status(self.folder).get("data", {}).get("record")
        return set(read_rows(self.settings.records / str(record)))

    @property
    def _seed(self) -> int:
        return self.settings.seeds.start

    def _ensure_sound(self) -> None:
        try:
            ensure_sound(self.folder, force=False)
        except DamagedError as error:  # whose way out is that of a study
            raise UserError(str(error).replace(REPLACE, WAY_OUT)) from error

    def _ensure_same(self) -> None:
        """Refuse to go on with other settings, or in the directory of a study."""
        if not (self.folder / "config.yaml").exists():
            return
        if not read_status(self.folder).get("labelling"):
            raise UserError(f"{self.folder} holds a run of a study; give the labelling session another study=…")
        kept = read_config(self.folder / "config.yaml")
        other = other_settings(kept["label"], self.settings.config["label"])
        other += [each for each in differences(kept, self.settings.config) if not each.startswith(COPIES)]
        if other:
            same = shell(f"study={self.settings.study}")
            raise UserError(
                f"{self.folder} holds a session with other settings (there → here):\n  "
                + "\n  ".join(other[:20])
                + f"\nUse the same ones ({same} alone takes all that it has), or another study=…"
            )

    def _what_changed(self) -> list[str]:
        """Return which images are gone or copies, and what the table says otherwise, in sentences."""
        audit, pool = self._opened
        names, table = self.images.samples.names, self.images.told_by_table
        gone = [names[number] for number in self.images.gone]
        lost = [name for name in (*audit.lost, *pool.lost) if name not in gone]
        notes = [*self.images.notes]
        if gone:
            what = counted(len(gone), "image is", "images are")
            until = "what was told of them counts until the next start, and is kept, unused, from then on"
            notes.append(f"{what} gone from the folder; {until}: {few(gone)}")
        if lost:
            what = counted(len(lost), "image that was asked for is", "images that were asked for are")
            kept = "its label is" if len(lost) == 1 else "their labels are"
            notes.append(f"{what} gone; {kept} kept, unused: {few(lost)}")
        ids, labels = pool.labelled
        differing = tuple(
            f"{names[number]}: {as_text(label)} → {as_text(table[number])}"
            for number, label in zip(ids.tolist(), labels, strict=True)
            if number in table and table[number] != label
        )
        if differing:
            notes.append(Problem("the table says otherwise than was told, which counts", differing).describe())
        return notes

    def _tell(self, notes: list[str]) -> None:
        """Show what has become of the images on the page, and on the terminal what is new of it."""
        self.desk.notes = notes
        said = [*notes, *self.desk.changed_images()]
        for note in said:
            if note not in self._said:
                log.warning("%s", note)
        self._said = said

    def _reread(self) -> None:
        """Take up images that are new or show something else; those that are gone stay as they were."""
        if not self._watch.has_changed():
            return
        before = len(self.images.samples)
        try:
            self._began_reading = time.time_ns()
            found = read_images(self.settings, self.plan.task, self.label, self.images)
        except UserError as error:
            lead = "the folder has changed, and nothing of that is taken up yet, since it cannot be read"
            self._tell([f"{lead}: {error}", *self._what_changed()])
            self._watch.has_failed()
            return
        with self.desk.changed:
            unanswered = [n for n in found.gone if self.desk.standing(n) in (None, NoLabel.SKIP)]
            self.images = found.aside(unanswered)
            self.desk.take_up(self.images, self._sessions())
            new = len(found.samples) - before
            what = counted(new, "image is", "images are")
            said = [f"{what} new in the folder, and can be asked for"] if new else []
            self._tell([*said, *self._what_changed()])
