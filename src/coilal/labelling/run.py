"""A labelling session from its settings on: a run whose oracle is people."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf

from coilal.active.journal import Journal
from coilal.active.labels import as_text
from coilal.active.outputs import Selection
from coilal.active.session import Session
from coilal.common.types import Problem, UserError
from coilal.labelling.answers import TABLE
from coilal.labelling.desk import SessionDesk
from coilal.labelling.images import read_images
from coilal.labelling.person import LOOK_S, Anew, NothingToLearnError, Person, StoppedError
from coilal.labelling.settings import LabelSettings
from coilal.labelling.table import write_labels
from coilal.run_directory.data_record import read_rows
from coilal.run_directory.files import (
    ensure_writable,
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

GUESSES = "checkpoints/guesses.npz"
"""What the model took each image for when the session was closed."""
LOOK_AT_FOLDER_S = 3.0
RETRY_S = 10.0
"""Seconds after which a folder that could not be read is read again: files may have been half copied."""
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
        self.images = read_images(settings, self.plan.task, self.label)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._failed_at: float | None = None
        self._lock = lock(self.folder)
        try:
            self._open()
        except BaseException:
            self._lock.release()
            raise

    def _open(self) -> None:
        """Open the sessions and the desk; the split is kept before anybody sees an image."""
        settings = self.settings
        (self.folder / "checkpoints").mkdir(exist_ok=True)
        self.desk = SessionDesk(settings.study, self.folder, self.images, self.label, self._sessions(), self._seed)
        self.desk.guesses.load(self.folder / GUESSES, self.images.samples.names)
        self.desk.notes = self._what_changed()
        for note in self.desk.notes:
            log.warning("%s", note)
        self._begin(self._experiment())

    @property
    def sessions(self) -> tuple[Session, Session]:
        """Return that of the audit set, and that of what is learnt from."""
        return self._opened

    @property
    def pool(self) -> Session:
        """Return the session that asks for what is learnt from."""
        return self._opened[1]

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
        """Learn whenever a batch is labelled, until ``stop`` or an interrupt; the same command goes on."""
        try:
            with suppress(StoppedError):
                while True:
                    self._work()
                    self._reread()
        finally:
            self.close()

    def stop(self) -> None:
        """End ``work``, which another thread does, as soon as it waits."""
        with self.desk.changed:
            self.desk.is_stopped = True
            self.desk.changed.notify_all()

    def close(self) -> None:
        """Note that nobody works here any more, write the label table, and release the directory."""
        self._keep_table()
        with suppress(UserError):
            self.desk.guesses.save(self.folder / GUESSES, self.images.samples.names)
        status = read_status(self.folder)
        if status.get("state") == "running":
            write_status(self.folder, {**status, "state": "paused", "end": now()})
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
        name = experiment.title()
        with RunProgress(name, 0, "") as progress:  # meanwhile the audit set is labelled
            self.desk.learning = "looking at all images"
            training_inputs(experiment, progress)
            self.desk.learning = ""
        with self.desk.changed:
            while not self.desk.is_audited:
                if self.desk.is_stopped:
                    raise StoppedError
                if self._images_changed():
                    return
                self.desk.changed.wait(LOOK_S)
        experiment = self._experiment()
        self._begin(experiment)
        self._tell_table()
        with suppress(Anew):
            learn([experiment])
            self._note_end()
            self.desk.learning = ""
            person = experiment.annotator
            assert isinstance(person, Person)
            person.wait()

    def _note_end(self) -> None:
        done = {"state": "done", "end": now(), "validation_aulc": None}
        write_status(self.folder, {**read_status(self.folder), **done})

    def _experiment(self, waits: bool = True) -> Experiment:
        names = self.images.names(self.pool.added)
        prepared = self.images.prepared(names, self.desk.audited)
        batch = self.plan.budget.query
        person = Person(self.desk, self.pool, names, self._images_changed, batch, self._keep_table, waits)
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
            self.pool.tell(untold, {"who": TABLE, "stage": "batch"})

    def _sessions(self) -> tuple[Session, Session]:
        names = self.images.samples.names
        audit = Session(names, self.images.audit, Journal(self.folder / AUDIT, WAY_OUT), may_lose=True)
        pool = Session(names, self.images.pool, Journal(self.folder / SESSION, WAY_OUT), may_lose=True)
        self._opened = audit, pool
        folder = self.images.folder
        self._places = [] if folder is None else sorted({folder, *((folder / name).parent for name in names)})
        self._seen, self._looked_at, self._is_stale = self._state_of_folder(), time.monotonic(), False
        if any(changed > self._began_reading for changed in self._seen.values()):  # while it was read
            self._failed_at = time.monotonic()
        return audit, pool

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
        if other := differences(read_config(self.folder / "config.yaml"), self.settings.config):
            raise UserError(
                f"{self.folder} holds a session with other settings (there → here):\n  "
                + "\n  ".join(other[:20])
                + "\nUse the same ones, or another study=…"
            )

    def _what_changed(self) -> list[str]:
        """Return what became of images that have a label since the last time, in sentences."""
        audit, pool = self._opened
        lost = [*audit.lost, *pool.lost]
        notes = []
        if lost:
            few = ", ".join(lost[:5]) + (", …" if len(lost) > 5 else "")
            notes.append(f"{len(lost)} images that were asked for are gone; their labels are kept, unused: {few}")
        record = str(read_status(self.folder).get("data", {}).get("record"))
        before = read_rows(self.settings.records / record)
        names, digests = self.images.samples.names, self.images.decoded.digests.tolist()
        told = [*audit.labelled[0].tolist(), *pool.labelled[0].tolist()]
        other = [
            names[number]
            for number in told
            if (row := before.get(names[number])) and row["content"] not in ("", f"{digests[number]:016x}")
        ]
        if other:
            few = ", ".join(other[:5]) + (", …" if len(other) > 5 else "")
            notes.append(
                f"{len(other)} images show something else than when they were labelled: look again at {few}"
            )
        table = self.images.told_by_table
        ids, labels = pool.labelled
        differing = tuple(
            f"{names[number]}: {as_text(label)} → {as_text(table[number])}"
            for number, label in zip(ids.tolist(), labels, strict=True)
            if number in table and table[number] != label
        )
        if differing:
            notes.append(Problem("the table says otherwise than was told, which counts", differing).describe())
        return notes

    def _state_of_folder(self) -> Mapping[Path, int]:
        """Return when each folder of the images was changed last; nothing where they are no files."""
        return {place: place.stat().st_mtime_ns for place in self._places if place.is_dir()}

    def _images_changed(self) -> bool:
        """Return whether the folder is to be read again; looks every few seconds, as keys wait meanwhile."""
        now = time.monotonic()
        if self._failed_at is not None and now - self._failed_at > RETRY_S:
            self._is_stale = True
        elif now - self._looked_at > LOOK_AT_FOLDER_S:
            self._looked_at = now
            self._is_stale = self._is_stale or self._state_of_folder() != self._seen
        return self._is_stale

    def _reread(self) -> None:
        """Take up images that are new; those that are gone are told, and left out from the next start on."""
        if not self._images_changed():
            return
        before = self.images.samples.names
        try:
            self._began_reading = time.time_ns()
            found = read_images(self.settings, self.plan.task, self.label, before)
        except UserError as error:
            self.desk.notes = [
                f"the folder has changed, and nothing of that is taken up yet, since it cannot be read: {error}"
            ]
            self._seen, self._failed_at, self._is_stale = self._state_of_folder(), time.monotonic(), False
            return
        self._failed_at = None
        with self.desk.changed:
            self.images = replace(found)
            self.desk.take_up(self.images, self._sessions())
            new = len(found.samples) - len(before)
            said = [f"{new} images are new in the folder, and can be asked for"] if new else []
            self.desk.notes = [*said, *self._what_changed()]
