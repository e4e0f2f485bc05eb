"""People in place of the simulated oracle: the model waits for them, and they never for the model."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
from torch import Tensor

from coilal.active.outputs import Selection
from coilal.active.session import Session
from coilal.common.types import IntArray
from coilal.evidence.words import counted
from coilal.labelling.desk import SessionDesk

log = logging.getLogger(__name__)

LOOK_S = 0.5
"""Seconds after which who waits looks up: for a signal, for images that are new."""


class Anew(Exception):  # noqa: N818 (no error: what is learnt, or from which images, has changed)
    """The run begins anew, with what it has: there are other classes, audit labels or images than at its start."""


class StoppedError(Exception):
    """Nobody labels any more, for now."""


class NothingToLearnError(Exception):
    """A batch is not answered yet, and nobody waits for it."""


class Person:
    """Answers when people have; satisfies ``runs.experiment.Annotator``.

    Args:
        desk: where people tell.
        session: asks for what is learnt from.
        names: that the model learns.
        is_changed: says whether the images in the folder are others than at the start.
        batch: images of a batch.
        each_batch: is called when a batch is answered.
        waits: for answers; else a batch that is not answered ends the run.
    """

    def __init__(
        self,
        desk: SessionDesk,
        session: Session,
        names: tuple[str, ...],
        is_changed: Callable[[], bool],
        batch: int,
        each_batch: Callable[[], object],
        waits: bool = True,
    ) -> None:
        self.session = session
        self._desk, self._names, self._is_changed = desk, names, is_changed
        self._batch, self._each_batch, self._waits = batch, each_batch, waits
        self._classes, self._audited = tuple(desk.classes), desk.audited

    def answer(self, session: Session, number: int) -> None:
        """Return when the images of a batch are answered.

        Raises:
            Anew: classes, audit labels or images have changed.
            NothingToLearnError: the batch is not answered, and nobody waits for it.
            StoppedError: nobody labels any more.
        """
        if number >= len(session.batches):  # nothing was left to choose from; now there is what was skipped
            session.ask(self._some, ahead=number)
        with self._desk.changed:
            while True:
                if self._must_begin_anew():
                    raise Anew
                if not len(session.pending_of(number)) and not self._asked_for_more(session, number):
                    break
                if not self._waits:
                    raise NothingToLearnError
                self._desk.waits()
                self._desk.changed.wait(LOOK_S)
            # At once, and not "" in between: who looks would take it for waiting though a whole batch is there.
            self._desk.learning = f"learning from batch {number + 1}"
        self._each_batch()
        if self._must_begin_anew():  # that has waited for a disk: a class may have come, and have been told
            raise Anew

    def _some(self, free: IntArray) -> Selection:
        generator = np.random.default_rng(len(free))
        chosen = generator.choice(free, min(len(free), self._batch), replace=False)
        return Selection(chosen, np.full(len(chosen), np.nan))

    def _asked_for_more(self, session: Session, number: int) -> bool:
        """Ask for further images with a batch where nothing has a label yet: a model must learn from something."""
        told = session.labelled[0]
        asked = np.concatenate([batch.ids for batch in session.batches[: number + 1]])
        free = session.unlabelled
        if np.isin(told, asked).any() or not len(free):
            return False
        generator = np.random.default_rng(len(asked))
        count = min(len(free), len(session.batches[number].ids))
        session.join(generator.choice(free, count, replace=False), number)
        return True

    def wait(self) -> None:
        """Wait for another start.

        Raises:
            Anew: classes, audit labels or images have changed.
            StoppedError: nobody labels any more.
        """
        with self._desk.changed:
            while not self._must_begin_anew():
                self._desk.changed.wait(LOOK_S)
        raise Anew

    def told(self) -> str:
        """Return how much is told so far, for who watches the terminal."""
        return counted(len(self.session.labelled[0]), "label")

    def note(self, ids: IntArray, logits: Tensor) -> None:
        """Take down what the model says of images: their ids (n,) and its logits (n, C)."""
        self._desk.note_guesses(ids, logits.numpy(), self._names)

    def _must_begin_anew(self) -> bool:
        if self._desk.is_stopped:
            raise StoppedError
        is_told = self._classes == tuple(self._desk.classes) and self._audited == self._desk.audited
        return not is_told or self._is_changed()
