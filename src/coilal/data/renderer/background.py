"""Everything around the winding: background, metal clamps, plastic flanges. Drawn once per rig and face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from coilal.data.renderer.draws import Draws
from coilal.data.renderer.scene import HEIGHT, WIDTH, Camera

MARGIN = 4
"""Pixels drawn beyond each border, so that vibration can move the picture."""

Grey = NDArray[np.int16]


def draw_background(camera: Camera, winding_height: float, face: int) -> Grey:
    """Return the scene without the winding, int16 (486 + 2·MARGIN, 745 + 2·MARGIN)."""
    draws = Draws("holder", camera.rig)
    turned = Draws("holder face", camera.rig, face)
    canvas = Image.new("L", ((WIDTH + 2 * MARGIN) * 2, (HEIGHT + 2 * MARGIN) * 2), round(camera.background))
    pen = _Pen(canvas, camera)
    top, bottom = camera.top, camera.top + winding_height
    for y, up in ((top, -1), (bottom, 1)):
        _draw_flange(pen, camera, y, up, draws, turned)
    _draw_top_clamp(pen, camera, top, draws)
    _draw_bottom_clamp(pen, camera, bottom, draws, turned)
    grey = np.asarray(canvas.reduce(2).filter(ImageFilter.BoxBlur(1))).astype(np.int16)
    return _vignette(grey, draws)


class _Pen:
    """Draws polygons given in picture pixels on a canvas of twice the size."""

    def __init__(self, canvas: Image.Image, camera: Camera) -> None:
        self._draw = ImageDraw.Draw(canvas)
        self._camera = camera

    def polygon(self, points: list[tuple[float, float]], grey: float) -> None:
        level = int(min(255, max(0, round(grey))))
        self._draw.polygon([self._place(x, y) for x, y in points], fill=level)

    def line(self, points: list[tuple[float, float]], grey: float, width: int) -> None:
        level = int(min(255, max(0, round(grey))))
        self._draw.line([self._place(x, y) for x, y in points], fill=level, width=width)

    def _place(self, x: float, y: float) -> tuple[int, int]:
        y = y + self._camera.shear * (x - self._camera.centre)
        return round((x + MARGIN) * 2), round((y + MARGIN) * 2)


def _draw_flange(pen: _Pen, camera: Camera, y: float, up: int, draws: Draws, turned: Draws) -> None:
    """Draw a translucent plate: a bright rim toward the camera, its underside and folds behind."""
    cx, half, base = camera.centre, camera.half_width, camera.background
    left = cx - half - draws.between(80, 135) - turned.between(-6, 6)
    right = cx + half + draws.between(75, 120) + turned.between(-6, 6)
    thick = draws.between(10, 18)
    behind = draws.between(15, 32)
    slant = draws.between(25, 60)
    grey = base * draws.between(1.12, 1.35) + 6
    pen.polygon(  # the far corner of the plate, seen through
        [
            (left + slant, y),
            (right - slant / 2, y),
            (right - slant * 1.6, y - up * behind),
            (left + slant * 2, y - up * behind * 0.8),
        ],
        base * draws.between(0.78, 0.95),
    )
    pen.polygon(
        [
            (left + slant, y + up * thick),
            (cx - half, y + up * (thick + behind)),
            (cx + half, y + up * (thick + behind)),
            (right - slant, y + up * thick),
        ],
        base * draws.between(1.05, 1.2),
    )
    tip = draws.between(0.3, 0.8)
    pen.polygon(
        [
            (left, y + up * thick * tip),
            (left + 14, y),
            (cx, y + 1),
            (right - 14, y),
            (right, y + up * thick * tip),
            (right - 26, y + up * thick),
            (cx, y + up * (thick + 2)),
            (left + 26, y + up * thick),
        ],
        grey,
    )
    pen.line([(left + 6, y + up * 2), (cx, y + up * 2), (right - 6, y + up * 2)], grey * 0.8, 2)
    for _ in range(turned.whole(2, 6)):
        x = turned.between(left + 10, right - 40)
        pen.line(
            [(x, y + up * thick * 0.6), (x + turned.between(5, 40), y + up * thick * 0.6)],
            grey * turned.between(1.05, 1.4),
            2,
        )


def _draw_top_clamp(pen: _Pen, camera: Camera, top: float, draws: Draws) -> None:
    half = camera.half_width * draws.between(0.93, 1.02)
    edge = top - draws.between(20, 34)
    cx = camera.centre + draws.between(-4, 4)
    pen.polygon([(cx - half, -9), (cx + half, -9), (cx + half - 2, edge), (cx - half + 2, edge)], 255)
    pen.line([(cx - half + 3, edge), (cx + half - 3, edge)], 90, 4)
    for _ in range(draws.whole(10, 30)):
        side = -1 if draws.chance(0.3) else 1
        x, y = cx + side * (half - draws.between(1, 12)), draws.between(-4, edge - 4)
        pen.line([(x, y), (x + draws.between(-6, 6), y + draws.between(-2, 3))], draws.between(120, 210), 2)


def _draw_bottom_clamp(pen: _Pen, camera: Camera, bottom: float, draws: Draws, turned: Draws) -> None:
    half = camera.half_width * draws.between(0.97, 1.05)
    edge = bottom + draws.between(24, 36)
    cx = camera.centre + draws.between(-4, 4)
    level = draws.between(125, 175)
    pen.polygon(
        [(cx - half, edge), (cx + half, edge), (cx + half + 2, HEIGHT + 9), (cx - half - 2, HEIGHT + 9)],
        level,
    )
    for _ in range(160):  # brushed and worn metal
        x, y = cx + draws.between(-half + 4, half - 30), draws.between(edge + 2, HEIGHT + 4)
        long = draws.between(4, 60)
        pen.line(
            [(x, y), (min(x + long, cx + half - 3), y + draws.between(-3, 3))],
            level * draws.between(0.6, 1.35),
            3,
        )
    for _ in range(turned.whole(3, 12)):
        x, y = cx + turned.between(-half + 8, half - 20), turned.between(edge, edge + 14)
        pen.line([(x, y), (x + turned.between(1, 14), y + turned.between(-1, 2))], 250, 3)
    pen.line([(cx - half + 2, edge), (cx + half - 2, edge)], level * 1.4, 3)


def _vignette(grey: Grey, draws: Draws) -> Grey:
    """Darken the corners and tilt the brightness a little, in whole 1/1024."""
    rows, columns = grey.shape
    y = (np.arange(rows) * 2 - rows)[:, None] * 1024 // rows
    x = (np.arange(columns) * 2 - columns)[None, :] * 1024 // columns
    dark = int(draws.between(40, 110))
    tilt = int(draws.between(-50, 50))
    factor = 1024 - (x * x + y * y) // 2048 * dark // 512 + x * tilt // 1024
    return np.asarray(np.minimum(grey.astype(np.int32) * factor >> 10, 255), np.int16)
