"""Faults of a winding: what, on which face, from which turn on, at which strand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coilal.demo.renderer.scene import FACES, TURNS, Winding, turn_and_face

KINDS = ("double_winding", "gap", "crossover")
DOUBLE, GAP, CROSSOVER = range(3)

ROOM = (3, 2, 5)
"""Strands that a fault of each kind needs to itself above and below, so that none hides another."""


@dataclass(frozen=True)
class Fault:
    """One fault of a winding.

    Attributes:
        kind: index into ``KINDS``.
        face: face of the bobbin that it shows on, 0 … 3.
        start: turn in which it arises.
        end: first turn in which it is covered and no longer seen (240: never).
        strand: strand at which it lies, counted from the top.
        shape: number that its size and form are drawn from.
    """

    kind: int
    face: int
    start: int
    end: int
    strand: int
    shape: int

    def seen_in(self, image_number: int) -> bool:
        """Return whether the picture with this number (1 … 960) shows the fault."""
        turn, face = turn_and_face(image_number)
        return face == self.face and self.start <= turn < self.end


@dataclass(frozen=True)
class Event:
    """A fault of a label sequence that has no place on the winding yet; fields as in ``Fault``."""

    kind: int
    face: int
    start: int
    end: int


def place(events: Sequence[Event], winding: Winding) -> tuple[Fault, ...]:
    """Return the events as faults, each as near as may be to where the wire was laid when it arose.

    Faults that are seen together keep a distance. An event for which no room is left is dropped only
    if another one of its kind, seen all that time, stands for it; otherwise it is put where the others
    are farthest away.
    """
    placed: list[Fault] = []
    for event in sorted(events, key=lambda event: (event.face, event.start, event.kind, event.end)):
        together = [
            other
            for other in placed
            if other.face == event.face and other.start < event.end and event.start < other.end
        ]
        strand, distance = _free_strand(event, together, winding)
        covered = any(
            other.kind == event.kind and other.start <= event.start and other.end >= event.end for other in together
        )
        if distance < 0 and covered:
            continue
        placed.append(Fault(event.kind, event.face, event.start, event.end, strand, len(placed)))
    return tuple(placed)


def _free_strand(event: Event, together: Sequence[Fault], winding: Winding) -> tuple[int, int]:
    """Return the best strand and how many strands too few (negative) or enough (0) room it has."""
    wanted = winding.strand(event.start)
    margin = ROOM[event.kind]
    candidates = np.arange(margin, winding.strands - margin)
    slack = np.zeros(len(candidates), np.int64)
    for other in together:
        room = np.abs(candidates - other.strand) - (ROOM[event.kind] + ROOM[other.kind])
        slack = np.minimum(slack, room)
    order = np.lexsort((np.abs(candidates - wanted), -slack))
    return int(candidates[order[0]]), int(slack[order[0]])


def labels_of(faults: Iterable[Fault], image_numbers: Sequence[int]) -> NDArray[np.uint8]:
    """Return the 0/1 labels (N, 3) of the pictures with these numbers: which kinds each one shows."""
    numbers = np.asarray(image_numbers, np.int64)
    turns, faces = (numbers - 1) // FACES, (numbers - 1) % FACES
    labels = np.zeros((len(numbers), len(KINDS)), np.uint8)
    for fault in faults:
        labels[(faces == fault.face) & (turns >= fault.start) & (turns < fault.end), fault.kind] = 1
    return labels


def events_of(image_numbers: Sequence[int], labels: NDArray[np.uint8]) -> tuple[Event, ...]:
    """Return the shortest history that explains given labels of one coil.

    Args:
        image_numbers: numbers 1 … 960 of the pictures that are known, in any order (N).
        labels: 0/1 labels of these pictures (N, 3).

    Returns:
        One event for each run of pictures of one face that show a kind of fault; pictures that are
        missing in between count as showing it.
    """
    numbers = np.asarray(image_numbers, np.int64)
    events: list[Event] = []
    for face in range(FACES):
        rows = np.flatnonzero((numbers - 1) % FACES == face)
        rows = rows[np.argsort(numbers[rows], kind="stable")]
        turns = (numbers[rows] - 1) // FACES
        for kind in range(len(KINDS)):
            shown = labels[rows, kind].astype(np.int64)
            steps = np.diff(np.concatenate([[0], shown, [0]]))
            for first, stop in zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True):
                end = int(turns[stop]) if stop < len(turns) else TURNS
                events.append(Event(kind, face, int(turns[first]), end))
    return tuple(events)
