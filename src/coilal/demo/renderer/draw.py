"""Drawing of strands and feeding wire in whole numbers: the same picture on every machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coilal.demo.renderer.background import MARGIN
from coilal.demo.renderer.draws import Floats, on_grid
from coilal.demo.renderer.scene import Camera
from coilal.demo.renderer.winding import NODES, Strands

Ints = NDArray[np.int32]
Grey = NDArray[np.int16]

SUB = 16
"""Heights are counted in 1/16 pixel."""
STEPS = 64
"""Steps of the profile tables from the centre of a strand to its edge."""
SHADE = 17
"""Grey level of the shade between strands."""
BRIGHTEST = 400
"""Brightest highlight: white, and the blur stays within 16 bits."""
MOST_BULGE = 1.0
"""Pitches that a double winding sticks out at most."""


@dataclass(frozen=True)
class Profiles:
    """Look of a strand: across it (2·STEPS + 1 values of 0 … 256) and along the face (NODES grey levels)."""

    body_across: Ints
    shine_across: Ints
    floor_along: Ints
    body_along: Ints
    shine_along: Ints


def profiles(camera: Camera) -> Profiles:
    """Return the tables of one camera and light; rational functions only, rounded to whole numbers."""
    o = np.linspace(-1, 1, 2 * STEPS + 1)
    body = np.minimum(1, (1 - o * o) * (1.5 - 0.5 * o))
    shine = _bump(o, -0.2, camera.sharpness)
    x = np.linspace(0, 1, NODES)
    inside = _rise(x, 0.025, 0.05) * _rise(1 - x, 0.055, 0.09)
    broad = camera.shine * _bump(x, camera.highlight, camera.spread)
    plateau = camera.plateau * (1 - 0.3 * x)
    glint = 14 * _bump(x, 0.97, 0.014)
    left = camera.blob * _bump(x, 0.058, 0.02)
    return Profiles(
        body_across=_whole(body * 256),
        shine_across=_whole(shine * 256),
        floor_along=_whole(SHADE + (camera.floor - SHADE) * inside + left * 0.12),
        body_along=_whole(camera.body * (0.35 + 0.65 * inside) + left * 0.1),
        shine_along=_whole((broad + plateau) * inside + left + glint),
    )


def _bump(x: Floats, centre: float, width: float) -> Floats:
    return (1 / (1 + ((x - centre) / width) ** 2)) ** 2


def _rise(x: Floats, start: float, stop: float) -> Floats:
    q = np.clip((x - start) / (stop - start), 0, 1)
    return q * q * (3 - 2 * q)


def _whole(values: NDArray[np.floating[Any]]) -> Ints:
    return np.rint(on_grid(values.astype(np.float64))).astype(np.int32)


def draw_strands(canvas: Grey, strands: Strands, camera: Camera, tables: Profiles, shift: tuple[int, int]) -> None:
    """Draw the strands into the canvas (with margins), moved by ``shift`` (rows, columns)."""
    reach = camera.half_width + camera.growth * strands.layer
    widest = float(reach.max()) + MOST_BULGE * camera.pitch
    columns = int(2 * widest)
    left = int(camera.centre - widest) + MARGIN + shift[1]
    across = np.arange(columns)
    inset = _whole(widest - reach)  # columns between the widest place and the end of each strand
    node = (across - inset[:, None]) * (NODES - 1) // (columns - 1 - 2 * inset[:, None])
    node = np.clip(node, 0, NODES - 1)
    top = (camera.top + MARGIN + shift[0]) * SUB
    lean = camera.shear * (across - columns / 2)
    heights = np.take_along_axis(strands.course, node, 1) * camera.pitch
    courses = _whole(top + (heights + lean) * SUB)
    shines = _whole(np.take_along_axis(strands.shine, node, 1) * tables.shine_along[node])
    shines = np.minimum(shines, BRIGHTEST)
    halves = _whole(strands.thickness * camera.pitch * (SUB / 2))
    ends = np.maximum(inset - _whole(strands.bulge * camera.pitch), 0)
    first, last = int(courses.min()) // SUB - 1, int(courses.max()) // SUB + 2
    region = canvas[:, left : left + columns]
    _fill_depth(region[first + 2 : last - 1], int(inset.max()) + 3)
    for strand in range(len(courses)):
        part = slice(int(ends[strand]), columns - int(ends[strand]))
        light = node[strand, part]
        _draw_strand(
            region[:, part],
            courses[strand, part],
            int(halves[strand]),
            (tables.floor_along[light], tables.body_along[light], shines[strand, part]),
            tables,
        )
    _soften(region[first - 4 : last + 4], camera.softness)


def _fill_depth(region: Grey, inset: int) -> None:
    """Fill the ground between the strands with the dark of the layer below."""
    region[:, inset:-inset] = SHADE + 4


def _draw_strand(region: Grey, course: Ints, half: int, light: tuple[Ints, Ints, Ints], tables: Profiles) -> None:
    """Draw one strand; ``light`` is floor, body and shine along it."""
    first = (int(course.min()) - half) // SUB
    last = (int(course.max()) + half) // SUB + 2
    rows = (np.arange(first, last, dtype=np.int32) * SUB)[:, None]
    offset = rows - course
    reach = np.full(len(course), half, np.int32)
    for end, part in enumerate((0.6, 0.85)):  # a round end at the silhouette
        reach[end] = reach[-1 - end] = int(half * part)
    cover = np.clip(reach - np.abs(offset) + SUB // 2, 0, SUB)  # part of the pixel that the strand covers
    index = np.clip(offset * STEPS // half + STEPS, 0, 2 * STEPS)
    floor, body, shine = light
    value = floor + ((tables.body_across[index] * body + tables.shine_across[index] * shine) >> 8)
    below = region[first:last]
    below += ((value - below) * cover // SUB).astype(np.int16)


def _soften(region: Grey, softness: int) -> None:
    """Blur vertically in place, as the lens does: a row takes ``softness``/64 of both neighbours."""
    above, here, below = region[:-2], region[1:-1], region[2:]
    blurred = (above + below) * np.int16(softness) + here * np.int16(64 - 2 * softness) + np.int16(32)
    region[1:-1] = blurred >> 6


def draw_wire(canvas: Grey, height: float, start: int, slope: float, bright: int) -> None:
    """Draw the feeding wire, bright above and dark below, from column ``start`` to the right border."""
    across = np.arange(-3, 4)[:, None]
    columns = np.arange(start, canvas.shape[1])
    course = _whole((height + slope * (columns - start)) * SUB)
    offset = np.clip(across * SUB - course % SUB, -4 * SUB, 4 * SUB)
    canvas[course // SUB + across, columns] += _wire_across(bright)[offset + 4 * SUB].astype(np.int16)


def _wire_across(bright: int) -> Ints:
    """Return what a wire adds to the background at heights of -4 … 4 pixels, in steps of 1/16."""
    y = np.arange(-4 * SUB, 4 * SUB + 1) / SUB
    return _whole(bright * 2.0 * _bump(y, -0.4, 1.0) - 26 * _bump(y, 1.4, 1.2))
