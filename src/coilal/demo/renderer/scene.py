"""What stays the same of a coil: turns, layers, strands; and the camera and light it is seen with."""

from __future__ import annotations

from dataclasses import dataclass, replace

from coilal.demo.renderer.draws import GRID, Draws

HEIGHT, WIDTH = 486, 745
FACES = 4
TURNS = 240
IMAGES = TURNS * FACES
BASE_LAYERS = 1
"""Layers wound before the first picture: there is always a layer underneath."""


def turn_and_face(image_number: int) -> tuple[int, int]:
    """Return turn (0 … 239) and face (0 … 3) of an image number of the real numbering (1 … 960)."""
    return (image_number - 1) // FACES, (image_number - 1) % FACES


@dataclass(frozen=True)
class Winding:
    """The winding programme of one coil.

    Attributes:
        strands: turns side by side in one layer.
        down_first: whether the first recorded layer is wound from top to bottom.
    """

    strands: int
    down_first: bool

    @staticmethod
    def of(seed: int, coil: int) -> Winding:
        """Return the winding programme of a coil."""
        draws = Draws("winding", seed, coil)
        return Winding(strands=draws.whole(44, 50), down_first=draws.chance(0.8))

    def layer(self, turn: int) -> int:
        """Return the layer that the turn belongs to; the layer underneath the first one is 0."""
        return turn // self.strands + BASE_LAYERS

    def downwards(self, turn: int) -> bool:
        """Return whether the layer of this turn is wound from top to bottom."""
        return (turn // self.strands % 2 == 0) == self.down_first

    def strand(self, turn: int) -> int:
        """Return the strand, counted from the top, that is laid in this turn."""
        place = turn % self.strands
        return place if self.downwards(turn) else self.strands - 1 - place


BOBBINS = ("standard", "narrow", "wide")
"""Types of bobbin, and with them of wire: a narrow one has thick wire, a wide one thin wire."""
LIGHTINGS = ("standard", "side", "dim")
"""Lightings: the usual one, one from the side with a narrow highlight, and too little light."""


@dataclass(frozen=True)
class Kind:
    """What kind of coil is photographed in what kind of light, as places in ``BOBBINS`` and ``LIGHTINGS``."""

    bobbin: int = 0
    lighting: int = 0


USUAL = Kind()


@dataclass(frozen=True)
class Camera:
    """Camera, light and holder of one coil in one rig; lengths in pixels.

    Attributes:
        centre: x of the middle of the winding.
        top: y of the upper end of the winding.
        pitch: height of one strand.
        half_width: half the width of the base layer.
        growth: how much half the width grows with each layer.
        shear: slope of every horizontal line (a camera turned a little).
        gain: brightness of the picture.
        background: grey level of the background.
        highlight: place of the broad highlight, 0 left … 1 right.
        spread: width of the broad highlight, in widths of the face.
        shine: brightness of the highlight.
        plateau: brightness of the highlight far from its broad maximum.
        floor: grey level of the seams between strands.
        body: brightness of the strands beside the highlight, above the seams.
        blob: brightness of the highlight on the left rounded edge.
        sharpness: width of the highlight across a strand, in half strands.
        softness: vertical blur, 0 … 20.
        noise: standard deviation of the sensor noise in grey levels.
        rig: number that the shapes of clamps and flanges are drawn from.
    """

    centre: float
    top: float
    pitch: float
    half_width: float
    growth: float
    shear: float
    gain: float
    background: float
    highlight: float
    spread: float
    shine: float
    plateau: float
    floor: float
    body: float
    blob: float
    sharpness: float
    softness: int
    noise: float
    rig: int

    @staticmethod
    def of(seed: int, coil: int, rig: int, strands: int, kind: Kind = USUAL) -> Camera:
        """Return the camera of a coil; ``rig`` 0 is the coil's own, others are other rigs."""
        draws = Draws("camera", seed, coil, rig)
        scale = draws.between(0.95, 1.04)
        pitch = draws.between(6.55, 6.85) * scale * 47 / strands
        height = pitch * strands
        camera = Camera(
            centre=draws.between(372, 398),
            top=draws.between(-8, 8) + 84 + (318 - height) / 2,
            pitch=pitch,
            half_width=draws.between(163, 182) * scale,
            growth=draws.between(4.2, 5.4) * scale,
            shear=draws.between(-0.006, 0.006),
            gain=draws.between(0.9, 1.1),
            background=draws.between(58, 76),
            highlight=draws.between(0.42, 0.62),
            spread=draws.between(0.26, 0.4),
            shine=draws.between(115, 165),
            plateau=draws.between(34, 54),
            floor=draws.between(33, 46),
            body=draws.between(20, 32),
            blob=draws.between(130, 230),
            sharpness=draws.between(0.33, 0.46),
            softness=draws.whole(8, 16),
            noise=draws.between(1.0, 2.4),
            rig=draws.whole(0, 2**31 - 1),
        )
        return camera._of_bobbin(BOBBINS[kind.bobbin], strands)._in_light(LIGHTINGS[kind.lighting])

    def _of_bobbin(self, name: str, strands: int) -> Camera:
        if name == "standard":
            return self
        width, wire = (0.8, 1.12) if name == "narrow" else (1.15, 0.9)
        pitch = _rounded(self.pitch * wire)
        return replace(
            self,
            pitch=pitch,
            top=_rounded(self.top - (pitch - self.pitch) * strands / 2),  # the middle stays where it is
            half_width=_rounded(self.half_width * width),
            growth=_rounded(self.growth * wire),
        )

    def _in_light(self, name: str) -> Camera:
        if name == "standard":
            return self
        if name == "side":
            return replace(self, highlight=_rounded(self.highlight + 0.3), spread=_rounded(self.spread * 0.6))
        return replace(self, gain=_rounded(self.gain * 0.6), noise=_rounded(self.noise * 2))


def _rounded(value: float) -> float:
    return round(value * GRID) / GRID
