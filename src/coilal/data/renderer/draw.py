"""Drawing of strands and feeding wire in whole numbers: the same picture on every machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coilal.data.renderer.background import MARGIN
from coilal.data.renderer.draws import Floats, on_grid
from coilal.data.renderer.scene import Camera
from coilal.data.renderer.winding import NODES, Strands

Ints = NDArray[np.int32]
Grey = NDArray[np.int16]

SUB = 16
"""Heights are counted in 1/16 pixel."""
STEPS = 64
"""Steps of the profile tables from the centre of a strand to its edge."""


@dataclass(frozen=True)
class Profiles:
    """Look of a strand: across it (2·STEPS + 1 values of 0 … 256) and along the face (NODES values)."""

    body_across: Ints
    shine_across: Ints
    body_along: Ints
    shine_along: Ints


def profiles(camera: Camera) -> Profiles:
    """Return the tables of one camera and light; rational functions only, rounded to whole numbers."""
    o = np.linspace(-1, 1, 2 * STEPS + 1)
    body = (1 - o * o) * (0.62 - 0.38 * o)
    shine = _bump(o, -0.22, camera.sharpness)
    x = np.linspace(0, 1, NODES)
    inside = _rise(x, 0.028, 0.05) * _rise(1 - x, 0.055, 0.085)
    broad = camera.shine * _bump(x, camera.highlight, camera.spread * 1.6)
    plateau = 0.22 * camera.shine * (1 - 0.4 * x)
    glint = 0.16 * camera.shine * _bump(x, 0.972, 0.012)
    left = camera.blob * _bump(x, 0.06, 0.024)
    edge = 0.12 + 0.88 * inside
    return Profiles(
        body_across=_whole(body * 256),
        shine_across=_whole(shine * 256),
        body_along=_whole(camera.body * edge),
        shine_along=_whole((broad + plateau) * inside + left + glint),
    )


def _bump(x: Floats, centre: float, width: float) -> Floats:
    return (1 / (1 + ((x - centre) / width) ** 2)) ** 2


def _rise(x: Floats, start: float, stop: float) -> Floats:
    q = np.clip((x - start) / (stop - start), 0, 1)
    return q * q * (3 - 2 * q)


def _whole(values: NDArray[np.floating[Any]]) -> Ints:
    return np.rint(on_grid(values.astype(np.float64))).astype(np.int32)


def draw_strands(
    canvas: Grey, strands: Strands, camera: Camera, tables: Profiles, shift: tuple[int, int]
) -> None:
    """Draw the strands into the canvas (with margins), moved by ``shift`` (rows, columns)."""
    widest = camera.half_width + camera.growth * (float(strands.layer.max()) + 1.2)
    left = int(camera.centre - widest) + MARGIN + shift[1]
    columns = int(2 * widest)
    node = (np.arange(columns) * (NODES - 1)) // (columns - 1)
    lean = camera.shear * (np.arange(columns) - columns / 2)
    top = (camera.top + MARGIN + shift[0]) * SUB
    courses = _whole(top + (strands.course[:, node] * camera.pitch + lean) * SUB)
    shines = _whole(strands.shine[:, node] * tables.shine_along[node])
    body = tables.body_along[node]
    halves = _whole(strands.thickness * camera.pitch * (SUB / 2))
    ends = _whole(strands.bulge * camera.pitch)
    own = _whole(camera.half_width + camera.growth * strands.layer)
    depth = int(widest) - own - ends
    region = canvas[:, left : left + columns]
    _fill_depth(region, courses, int(depth.max()) + 2, columns)
    for strand in range(len(courses)):
        start = max(0, int(depth[strand]))
        part = slice(start, columns - start)
        _draw_strand(
            region[:, part],
            courses[strand, part],
            int(halves[strand]),
            body[part],
            shines[strand, part],
            tables,
        )


def _fill_depth(region: Grey, courses: Ints, start: int, columns: int) -> None:
    """Fill the ground between the strands with the dark of the layer below."""
    first = int(courses.min()) // SUB
    last = int(courses.max()) // SUB + 1
    region[first:last, start : columns - start] = 24


def _draw_strand(region: Grey, course: Ints, half: int, body: Ints, shine: Ints, tables: Profiles) -> None:
    first = (int(course.min()) - half) // SUB
    last = (int(course.max()) + half) // SUB + 2
    rows = (np.arange(first, last, dtype=np.int32) * SUB)[:, None]
    offset = rows - course
    cap = np.full(len(course), half, np.int32)
    for end, part in enumerate((0.5, 0.75, 0.9)):
        cap[end] = cap[-1 - end] = int(half * part)
    inside = np.abs(offset) <= cap
    index = np.clip(offset * STEPS // half + STEPS, 0, 2 * STEPS)
    value = 20 + ((tables.body_across[index] * body + tables.shine_across[index] * shine) >> 8)
    np.copyto(region[first:last], value.astype(np.int16), where=inside)


def draw_wire(canvas: Grey, height: float, start: int, slope: float, bright: int) -> None:
    """Draw the feeding wire from column ``start`` to the right border."""
    columns = np.arange(start, canvas.shape[1])
    course = _whole((height + slope * (columns - start)) * SUB)
    for row_offset, level in ((-2, 0), (-1, bright), (0, bright * 2), (1, -18), (2, -10)):
        rows = course // SUB + row_offset
        canvas[rows, columns] += level
