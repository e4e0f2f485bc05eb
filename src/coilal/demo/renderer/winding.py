"""The state of a winding at one turn, seen on one face: where every strand runs. Knows no camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from coilal.demo.renderer.draws import Draws, Floats, on_grid
from coilal.demo.renderer.faults import CROSSOVER, DOUBLE, GAP, ROOM, Fault
from coilal.demo.renderer.scene import Winding, turn_and_face

THICKNESS = 1.12
"""Thickness of a strand in pitches: neighbours overlap, so that natural irregularity leaves no gap."""
NODES = 512
"""Points along the face at which the course of a strand is known."""


@dataclass(frozen=True)
class Strands:
    """Strands in the order in which they are drawn; later ones lie on top.

    Attributes:
        course: height of the centre line (S, NODES) in strand pitches from the top of the winding.
        thickness: in pitches (S).
        shine: brightness of the highlight along the strand (S, NODES), 1 is usual.
        layer: layer of each strand (S).
        bulge: how far it sticks out at both edges, in pitches (S).
        feed: height of the strand being laid, in pitches, at the right edge.
    """

    course: Floats
    thickness: Floats
    shine: Floats
    layer: NDArray[np.int64]
    bulge: Floats
    feed: float


@dataclass
class _Sheet:
    """The visible strands while faults are worked in; fields as in ``Strands``."""

    course: Floats
    thickness: Floats
    shine: Floats
    bulge: Floats
    on_top: list[int]
    extra: list[tuple[int, Floats, float, float]]  # strand it belongs to, course, thickness, shine


def strands_at(seed: int, coil: int, image_number: int, faults: Sequence[Fault] = ()) -> Strands:
    """Return the strands that a picture shows.

    Args:
        seed: seed of the data set.
        coil: number of the coil.
        image_number: 1 … 960: turn and face.
        faults: faults of the coil; those that this picture does not show are ignored.
    """
    winding = Winding.of(seed, coil)
    turn, face = turn_and_face(image_number)
    layer = winding.layer(turn)
    front = winding.strand(turn)
    index = np.arange(winding.strands)
    laid = index <= front if winding.downwards(turn) else index >= front
    upper, lower = _layer(seed, coil, layer, face), _layer(seed, coil, layer - 1, face)
    pick = laid[:, None]
    sheet = _Sheet(
        course=np.where(pick, upper[0], lower[0]),
        thickness=np.full(winding.strands, THICKNESS),
        shine=np.where(pick, upper[1], lower[1]),
        bulge=np.zeros(winding.strands),
        on_top=[],
        extra=[],
    )
    seen = [fault for fault in faults if fault.seen_in(image_number)]
    for fault in seen:
        _WORK_IN[fault.kind](sheet, fault, Draws("fault", seed, coil, face, fault.shape))
    strands = _in_order(sheet, np.where(laid, layer, layer - 1), float(sheet.course[front, -1]))
    if any(abs(fault.strand - front) <= ROOM[fault.kind] + 1 for fault in seen):
        return strands
    return _with_step(strands, lower[0][front], lower[1][front], layer - 1)


def _with_step(strands: Strands, course: Floats, shine: Floats, layer: int) -> Strands:
    """Lay the strand of the lower layer under the last one of the upper, so that the step is no gap."""
    return replace(
        strands,
        course=np.concatenate([course[None], strands.course]),
        thickness=np.concatenate([[THICKNESS], strands.thickness]),
        shine=np.concatenate([shine[None], strands.shine]),
        layer=np.concatenate([[layer], strands.layer]),
        bulge=np.concatenate([[0.0], strands.bulge]),
    )


def _in_order(sheet: _Sheet, layers: NDArray[np.int64], feed: float) -> Strands:
    count = len(layers)
    order = [strand for strand in range(count) if strand not in sheet.on_top] + sheet.on_top
    owners = [extra[0] for extra in sheet.extra]
    rows = order + owners
    course = np.concatenate([sheet.course[order], *(extra[1][None] for extra in sheet.extra)])
    thickness = np.concatenate([sheet.thickness[order], [extra[2] for extra in sheet.extra]])
    gain = np.concatenate([np.ones(count), [extra[3] for extra in sheet.extra]])
    return Strands(
        course=on_grid(course),
        thickness=on_grid(thickness),
        shine=on_grid(sheet.shine[rows] * gain[:, None]),
        layer=layers[rows],
        bulge=on_grid(sheet.bulge[rows]),
        feed=feed,
    )


@lru_cache(maxsize=64)
def _layer(seed: int, coil: int, layer: int, face: int) -> tuple[Floats, Floats]:
    """Return course and shine of every strand of a faultless layer with its natural irregularity."""
    winding = Winding.of(seed, coil)
    draws = Draws("layer", seed, coil, layer, face)
    x = np.linspace(0, 1, NODES)
    tilt = Draws("tilt", seed, coil, face).between(-0.4, 0.4) * (1 if layer % 2 else -1)
    centre = np.arange(winding.strands) + 0.5
    centre = centre + draws.bell(0.045, winding.strands)
    sag = draws.bell(0.05, winding.strands)[:, None] * (4 * x * (1 - x))
    lean = draws.bell(0.04, winding.strands)[:, None] * (x - 0.5)
    course = centre[:, None] + tilt * (x - 0.5) + sag + lean
    return on_grid(course), _shine(draws, winding.strands)


def _shine(draws: Draws, strands: int) -> Floats:
    """Return the brightness of the highlight along each strand: slow changes, specks and scratches."""
    knots = draws.bell(0.1, (strands, 17)) + draws.bell(0.1, (strands, 1)) + 1
    shine = on_grid(np.stack([np.interp(np.linspace(0, 16, NODES), np.arange(17.0), row) for row in knots]))
    for _ in range(draws.whole(4, 14)):
        strand, start, half = draws.whole(0, strands - 1), draws.whole(5, NODES - 40), draws.whole(2, 14)
        shape = 1 - np.abs(np.arange(1 - half, half)) / half
        shine[strand, start : start + 2 * half - 1] *= 1 + draws.between(-0.45, 0.6) * shape
    return shine


def _falloff(distance: Floats, reach: float) -> Floats:
    """Return how much strands at a distance give way, from 1 down to 0."""
    near = 1 / (1 + (distance / reach) ** 2)
    return near * near


def _work_in_gap(sheet: _Sheet, fault: Fault, draws: Draws) -> None:
    """Move the strands above and below apart, so that a dark line stays between them."""
    width = draws.between(0.38, 0.6)
    taper = np.linspace(draws.between(0.85, 1.1), draws.between(0.85, 1.1), NODES)
    distance = np.arange(len(sheet.course)) - (fault.strand + 0.5)
    push = np.sign(distance) * _falloff(np.abs(distance) - 0.5, 3.0) * (width / 2)
    sheet.course += push[:, None] * taper


def _work_in_double(sheet: _Sheet, fault: Fault, draws: Draws) -> None:
    """Lay a second turn on the strand: a raised double line that sticks out at both edges."""
    strand = fault.strand
    rise = draws.between(0.5, 0.72)
    distance = np.arange(len(sheet.course)) - float(strand)
    push = np.sign(distance) * _falloff(np.abs(distance) - 1, 2.5) * draws.between(0.22, 0.36)
    sheet.course += push[:, None]
    sheet.course[strand] -= rise / 2
    sheet.thickness[strand] = draws.between(1.12, 1.25)
    sheet.shine[strand] *= draws.between(1.1, 1.35)
    sheet.bulge[strand] = draws.between(0.75, 1.1)
    sheet.on_top.append(strand)
    upper = sheet.course[strand] + rise + draws.between(-0.08, 0.08) * np.linspace(-1, 1, NODES)
    sheet.extra.append((strand, upper, draws.between(0.85, 1.1), draws.between(0.7, 1.1)))


def _work_in_crossover(sheet: _Sheet, fault: Fault, draws: Draws) -> None:
    """Let the strand change places with its neighbours: a flat X with dark lenses beside it."""
    strand, crossed = fault.strand, 1 + draws.choose((0.15, 0.45, 0.4))
    middle, half = draws.between(0.32, 0.68), draws.between(0.26, 0.5)
    x = np.linspace(0, 1, NODES)
    q = np.clip((x - middle + half) / (2 * half), 0, 1)
    q = q * q * (3 - 2 * q)
    if draws.chance(0.5):
        q = 1 - q
    lens = 4 * q * (1 - q)
    first = strand - crossed // 2
    own = sheet.course[first] + crossed * q
    for other in range(first + 1, first + crossed + 1):
        sheet.course[other] -= q
    distance = np.arange(len(sheet.course)) - (first + crossed / 2)
    away = np.maximum(np.abs(distance) - crossed / 2, 0)
    push = np.sign(distance) * _falloff(away, 2.5) * draws.between(0.2, 0.4)
    sheet.course += push[:, None] * lens
    sheet.course[first] = own
    sheet.thickness[first] = draws.between(1.1, 1.2)
    sheet.shine[first] *= draws.between(1.1, 1.4)
    sheet.bulge[first] = draws.between(0.0, 0.3)
    sheet.on_top.append(first)


_WORK_IN = {DOUBLE: _work_in_double, GAP: _work_in_gap, CROSSOVER: _work_in_crossover}
