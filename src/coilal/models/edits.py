"""Self-made irregularities of a winding, drawn into photographs: the pretext of ``python -m coilal.pretrain``.

After CutPaste (Li et al. 2021, "CutPaste: Self-Supervised Learning for Anomaly Detection and Localization")
and DRAEM (Zavrtanik et al. 2021): a photograph is altered at known places, and a network learns to find them.
Nothing here knows a label of the data; faults that a photograph already shows stay in it, unmarked.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

KINDS = ("widened seam", "thickened strand", "bent strands")

_CHANCE_FIRST = 0.5
_CHANCE_SECOND = 0.2
_SNAP = 5  # rows to either side in which the nearest seam or highlight is looked for


@dataclass(frozen=True)
class Edited:
    """Altered photographs and where they were altered.

    Attributes:
        images: float (B, 1, H, W).
        where: float (B, 3, rows, columns) in [0, 1], one plane for each of ``KINDS``.
    """

    images: Tensor
    where: Tensor


class _Canvas:
    """What all edits of a batch add up to: displacements in pixels, relative brightness, and the map of edits."""

    def __init__(self, images: Tensor, cells: tuple[int, int], generator: torch.Generator) -> None:
        self.generator = generator
        self.batch, _, self.height, self.width = images.shape
        self.cells = cells
        self.ys = torch.arange(self.height, dtype=torch.float32).view(1, -1)
        self.xs = torch.arange(self.width, dtype=torch.float32).view(1, -1)
        middle = images[:, 0, :, self.width // 2 - self.width // 8 : self.width // 2 + self.width // 8]
        self.row_brightness = functional.avg_pool1d(middle.mean(2)[:, None], 3, 1, 1)[:, 0]
        self.face = _face(images)
        self.down = torch.zeros(self.batch, self.height, self.width)
        self.outward = torch.zeros(self.batch, self.height)
        self.gain = torch.ones(self.batch, self.height, self.width)
        self.where = torch.zeros(self.batch, len(KINDS), *cells)

    def uniform(self, low: float, high: float) -> Tensor:
        """Return one number per photograph (B, 1)."""
        return torch.empty(self.batch, 1).uniform_(low, high, generator=self.generator)

    def sign(self) -> Tensor:
        """Return -1 or 1 per photograph (B, 1)."""
        return torch.where(self.uniform(-1, 1) < 0, -1.0, 1.0)

    def row(self) -> Tensor:
        """Return a row per photograph, not at the very ends (B, 1)."""
        return (self.uniform(0.12, 0.88) * self.height).long()

    def snapped_row(self, darkest: bool) -> Tensor:
        """Return a random row, moved to the nearest seam (darkest) or highlight."""
        near = (self.row() + torch.arange(-_SNAP, _SNAP + 1)).clamp(0, self.height - 1)
        values = self.row_brightness.gather(1, near)
        best = values.argmin(1) if darkest else values.argmax(1)
        return near.gather(1, best[:, None]).float()

    def mark(self, kind: int, rows: Tensor, columns: Tensor) -> None:
        """Mark an edit whose strength is ``rows`` (B, H) times ``columns`` (B, W)."""
        coarse_rows = functional.adaptive_max_pool1d(rows[:, None], self.cells[0])[:, 0, :, None]
        coarse_columns = functional.adaptive_max_pool1d(columns[:, None], self.cells[1])
        self.where[:, kind] = torch.maximum(self.where[:, kind], coarse_rows * coarse_columns)

    def insert_rows(self, row: Tensor, inserted: Tensor, on: Tensor) -> Tensor:
        """Stretch the picture at ``row`` by ``inserted`` pixels; its neighbours make room over some strands.

        Returns:
            distance of each row from the middle of the stretch (B, H).
        """
        decay, side = torch.exp(self.uniform(2.5, 4.5)), self.sign()
        distance = (self.ys - row) * side
        shift = torch.minimum(distance, inserted) * torch.exp(-(distance - inserted).clamp_min(0) / decay)
        self.down -= (on * side * shift.where(distance > 0, 0.0))[:, :, None]
        return distance - inserted / 2

    def draw(self, images: Tensor) -> Tensor:
        """Return the images with all edits."""
        bulge = -self.outward[:, :, None] * torch.tanh((self.xs - self.width / 2) / 20)[:, None]
        x = (self.xs[:, None] + bulge) / (self.width - 1) * 2 - 1
        y = (self.ys[:, :, None] + self.down) / (self.height - 1) * 2 - 1
        moved = functional.grid_sample(images, torch.stack([x, y], -1), padding_mode="border", align_corners=True)
        return moved * self.gain[:, None]


def _face(images: Tensor) -> Tensor:
    """Return how much each column belongs to the winding (B, W): its strands make it rough from row to row."""
    rough = (images[:, 0, 1:] - images[:, 0, :-1]).abs().mean(1)
    rough = functional.avg_pool1d(rough[:, None], 5, 1, 2)[:, 0]
    low, high = rough.amin(1, keepdim=True), rough.amax(1, keepdim=True)
    return ((rough - low) / (high - low).clamp_min(1e-6) * 3 - 0.5).clamp(0, 1)


def _widen_seam(canvas: _Canvas, on: Tensor) -> None:
    inserted = canvas.uniform(0.8, 4.0)
    distance = canvas.insert_rows(canvas.snapped_row(darkest=True), inserted, on)
    near = on * torch.exp(-((distance / (inserted / 2 + 1.2)) ** 2))
    canvas.gain -= (near * canvas.uniform(0.1, 0.85))[:, :, None] * canvas.face[:, None]
    canvas.mark(0, near, canvas.face)


def _thicken_strand(canvas: _Canvas, on: Tensor) -> None:
    inserted = canvas.uniform(0.3, 3.0)
    distance = canvas.insert_rows(canvas.snapped_row(darkest=False), inserted, on)
    near = on * torch.exp(-((distance / (inserted / 2 + 1.2)) ** 2))
    bulge = on * torch.exp(-((distance / canvas.uniform(2, 5)) ** 4))
    canvas.gain += (near * canvas.uniform(-0.1, 0.35))[:, :, None] * canvas.face[:, None]
    canvas.outward += bulge * canvas.uniform(1.5, 6)
    canvas.mark(1, torch.maximum(near, bulge), canvas.face)


def _bend_strands(canvas: _Canvas, on: Tensor) -> None:
    half, centre = canvas.uniform(20, 75), canvas.uniform(0.25, 0.75) * canvas.width
    along = (canvas.xs - centre) / half
    window = torch.sigmoid((1 - along.abs()) * half / 3) * canvas.face
    along = along.clamp(-1, 1)
    height = canvas.uniform(3, 12)
    distance = canvas.ys - canvas.row()
    near = on * torch.exp(-((distance / height) ** 2))
    # Three shapes: strands that tilt together, a lens that opens between them, a cross that opens to one side.
    shape = canvas.uniform(0, 1)
    apart = -torch.tanh(distance / 1.5)
    vertical = torch.where(shape < 0.4, canvas.sign(), apart) * near * canvas.uniform(1.5, 5)
    horizontal = torch.where((shape >= 0.4) & (shape < 0.7), 1 - along**2, along) * window
    canvas.down += vertical[:, :, None] * horizontal[:, None]
    shade = on * torch.exp(-((2 * distance / height) ** 2)) * canvas.uniform(-0.5, 0.4)
    canvas.gain += shade[:, :, None] * (window * (1 - along.abs()))[:, None]
    _lay_across(canvas, on * (canvas.uniform(0, 1) < 0.6), distance, along, window)
    canvas.mark(2, near, window)


def _lay_across(canvas: _Canvas, on: Tensor, distance: Tensor, along: Tensor, window: Tensor) -> None:
    """Draw a bright oblique strand with dark wedges beside it, widest at ``along`` = 0."""
    rise = canvas.sign() * canvas.uniform(1, 10)
    off = distance[:, :, None] - (rise * along)[:, None]
    core = torch.exp(-((off / canvas.uniform(0.8, 2)[:, :, None]) ** 2))
    wedge = torch.exp(-((off / (1 + canvas.uniform(1.5, 5) * (1 - along.abs()))[:, None]) ** 2))
    weight = (on * window)[:, None]
    bright, dark = canvas.uniform(0.2, 1.0)[:, :, None], canvas.uniform(0.3, 0.8)[:, :, None]
    canvas.gain *= 1 + weight * (bright * core - dark * wedge * (1 - core))


def edit(images: Tensor, cells: tuple[int, int], generator: torch.Generator) -> Edited:
    """Draw up to two edits of each kind into each photograph.

    Args:
        images: float (B, 1, H, W) in [0, 1], windings with near-horizontal strands.
        cells: rows and columns of the map of edits.
        generator: source of all randomness.
    """
    canvas = _Canvas(images, cells, generator)
    for chance in (_CHANCE_FIRST, _CHANCE_SECOND):
        for draw in (_widen_seam, _thicken_strand, _bend_strands):
            draw(canvas, (canvas.uniform(0, 1) < chance).float())
    return Edited(canvas.draw(images), canvas.where)
