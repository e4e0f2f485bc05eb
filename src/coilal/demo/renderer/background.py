"""Everything around the winding: background, metal clamps, plastic flanges. Drawn once per rig and face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from coilal.demo.renderer.draws import Draws, Floats
from coilal.demo.renderer.scene import HEIGHT, WIDTH, Camera

MARGIN = 4
"""Pixels drawn beyond each border, so that vibration can move the picture."""

OVEREXPOSED = 400
"""Level of metal that stays white however dark the picture is."""

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
        self._canvas = canvas
        self._draw = ImageDraw.Draw(canvas)
        self._camera = camera

    def polygon(self, points: list[tuple[float, float]], grey: float) -> None:
        level = int(min(255, max(0, round(grey))))
        self._draw.polygon([self._place(x, y) for x, y in points], fill=level)

    def line(self, points: list[tuple[float, float]], grey: float, width: int) -> None:
        level = int(min(255, max(0, round(grey))))
        self._draw.line([self._place(x, y) for x, y in points], fill=level, width=width)

    def paste(self, grey: NDArray[np.int32], x: float, y: float) -> None:
        """Paste grey levels at canvas size with their upper left corner at a picture pixel."""
        self._canvas.paste(Image.fromarray(grey.astype(np.uint8)), self._place(x, y))

    def _place(self, x: float, y: float) -> tuple[int, int]:
        y = y + self._camera.shear * (x - self._camera.centre)
        return round((x + MARGIN) * 2), round((y + MARGIN) * 2)


def _draw_flange(pen: _Pen, camera: Camera, y: float, up: int, draws: Draws, turned: Draws) -> None:
    """Draw a translucent plate: the bright rim toward the camera, its underside and what is behind it."""
    cx, half, base = camera.centre, camera.half_width, camera.background
    left = cx - half - draws.between(80, 130) - turned.between(-6, 6)
    right = cx + half + draws.between(75, 115) + turned.between(-6, 6)
    thick, behind = draws.between(13, 21), draws.between(15, 32)
    fold = draws.between(30, 70)
    shade = base * draws.between(0.7, 0.88)
    pen.polygon(  # the far corner of the plate lies in shade
        [
            (left + fold, y),
            (right - 8, y),
            (right - fold * 0.7, y - up * behind),
            (left + fold * 1.6, y - up * behind),
        ],
        shade,
    )
    for k in range(turned.whole(2, 4)):  # and has folds on the right
        fall = y - up * behind * (0.3 + 0.22 * k)
        pen.line([(cx + half, fall), (right - 14 - fold * 0.15 * k, fall)], shade * turned.between(0.85, 1.1), 3)
    side = half + draws.between(0, 8)
    pen.polygon(  # seen through from the clamp's side
        [
            (left + fold, y + up * thick * 0.8),
            (cx - side, y + up * (thick + behind)),
            (cx + side, y + up * (thick + behind)),
            (right - fold, y + up * thick * 0.8),
        ],
        base * draws.between(1.12, 1.3),
    )
    tip = draws.between(0.2, 0.7)
    rim = base * draws.between(1.3, 1.55) + 4
    steps = 12
    for k in range(steps):  # the rim, brightest where the light comes from
        a, b = k / steps, (k + 1) / steps
        light = rim * (1 - 0.22 * abs(2 * a - 0.9))
        pen.polygon(
            [
                _on_rim(left, right, y, up * thick, a, tip, 0.04),
                _on_rim(left, right, y, up * thick, b, tip, 0.04),
                _on_rim(left, right, y, up * thick, b, tip, 1.0),
                _on_rim(left, right, y, up * thick, a, tip, 1.0),
            ],
            light,
        )
    pen.line([(left + 22, y + up), (right - 22, y + up)], shade * 0.6, 3)
    for _ in range(turned.whole(4, 10)):
        x = turned.between(left + 12, right - 40)
        height = y + up * thick * turned.between(0.3, 0.8)
        pen.line([(x, height), (x + turned.between(5, 60), height)], rim * turned.between(0.92, 1.12), 3)
    for x in (left + 4, right - 12):
        height = y + up * thick * tip
        pen.line([(x, height), (x + turned.between(4, 9), height - up * 3)], rim * turned.between(1.1, 1.9), 3)


def _on_rim(
    left: float, right: float, y: float, thick: float, along: float, tip: float, across: float
) -> tuple[float, float]:
    """Return a point of the rim: it tapers to both tips and sags a little in the middle."""
    taper = min(1.0, 9 * along, 9 * (1 - along))
    height = tip + (across - tip) * taper
    return left + (right - left) * along, y + thick * height


def _draw_top_clamp(pen: _Pen, camera: Camera, top: float, draws: Draws) -> None:
    half = camera.half_width * draws.between(0.93, 1.0)
    edge = top - draws.between(21, 34)
    cx = camera.centre + draws.between(-5, 3)
    pen.polygon([(cx - half, -9), (cx + half, -9), (cx + half - 2, edge), (cx - half + 2, edge)], 255)
    pen.line([(cx - half + 3, edge), (cx + half - 3, edge)], 60, 4)
    pen.line([(cx - half + 1, -9), (cx - half + 3, edge)], 190, 3)
    for _ in range(draws.whole(14, 40)):  # worn edges
        side = -1 if draws.chance(0.3) else 1
        x, y = cx + side * (half - draws.between(1, 14)), draws.between(-4, edge - 4)
        pen.line([(x, y), (x + draws.between(-6, 6), y + draws.between(-2, 3))], draws.between(110, 230), 2)


def _draw_bottom_clamp(pen: _Pen, camera: Camera, bottom: float, draws: Draws, turned: Draws) -> None:
    half = camera.half_width * draws.between(0.96, 1.05)
    edge = bottom + draws.between(25, 37)
    cx = camera.centre + draws.between(-4, 4)
    level = draws.between(135, 175)
    tall = HEIGHT + MARGIN - edge
    coarse, fine = draws.many(0.7, 1.3, (3, 8)), draws.many(-16, 16, (int(tall / 2) + 1, int(half / 2)))
    coarse[0] += 0.12  # the edge catches the light
    metal = _stretched(coarse * level, half, tall) + _stretched(fine + 128, half, tall) - 128
    pen.paste(np.clip(metal, 40, 255), cx - half, edge)
    for _ in range(draws.whole(20, 50)):
        x, y = cx + draws.between(-half + 4, half - 30), draws.between(edge + 2, HEIGHT)
        end = min(x + draws.between(4, 40), cx + half - 3)
        pen.line([(x, y), (end, y + draws.between(-4, 4))], level * draws.between(0.7, 1.35), 1)
    for _ in range(turned.whole(2, 9)):  # glints
        x, y = cx + turned.between(-half + 8, half - 20), turned.between(edge, edge + 12)
        pen.line([(x, y), (x + turned.between(1, 9), y + turned.between(-1, 1))], 255, 3)
    if turned.chance(0.5):  # a curved tool mark of bright dots
        x, y = cx + half * turned.between(0.1, 0.4), edge + tall * 0.75
        for k in range(9):
            pen.line([(x + 8 * k, y - 0.3 * k * k), (x + 8 * k + 3, y - 0.3 * k * k - 1)], 235, 3)
    pen.line([(cx - half + 2, edge), (cx + half - 2, edge)], min(255, level * 1.35), 2)


def _stretched(values: Floats, half: float, tall: float) -> NDArray[np.int32]:
    """Return grey levels enlarged smoothly to the clamp at canvas size (Pillow resizes in whole numbers)."""
    small = Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
    large = small.resize((max(2, int(half * 4)), max(2, int(tall * 2))), Image.Resampling.BICUBIC)
    return np.asarray(large).astype(np.int32)


def _vignette(grey: Grey, draws: Draws) -> Grey:
    """Darken the corners and tilt the brightness a little, in whole 1/1024."""
    rows, columns = grey.shape
    y = (np.arange(rows) * 2 - rows)[:, None] * 1024 // rows
    x = (np.arange(columns) * 2 - columns)[None, :] * 1024 // columns
    dark = int(draws.between(25, 75))
    tilt = int(draws.between(-50, 50))
    factor = 1024 - (x * x + y * y) // 2048 * dark // 512 + x * tilt // 1024
    dimmed = grey.astype(np.int32) * factor >> 10
    return np.where(grey >= 250, OVEREXPOSED, dimmed).astype(np.int16)
