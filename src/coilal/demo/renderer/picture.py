"""The photograph: a winding state seen through a camera, with vibration and noise."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from coilal.common.types import UserError
from coilal.demo.renderer.background import MARGIN, draw_background
from coilal.demo.renderer.catalogue import Catalogue
from coilal.demo.renderer.draw import Profiles, draw_strands, draw_wire, profiles
from coilal.demo.renderer.draws import Draws
from coilal.demo.renderer.faults import Fault
from coilal.demo.renderer.scene import HEIGHT, IMAGES, USUAL, WIDTH, Camera, Kind, Winding, turn_and_face
from coilal.demo.renderer.winding import Strands, strands_at

RENDERER_VERSION = "4"
"""Changes with every change of a pixel or a label: part of the key of the image cache."""

_NOISE_SIZE = 1024


@dataclass(frozen=True)
class Shot:
    """What changes from photograph to photograph of one rig.

    Attributes:
        rig: number of the rig: 0 is the coil's own camera and light, others are other ones.
        shift: vibration, rows and columns in whole pixels.
        brightness: factor on the grey levels.
        wire_slope: slope of the feeding wire (caster angle), rows per column.
        wire_shine: brightness of the feeding wire in grey levels above the background.
        noise_at: place in the noise tile, rows and columns.
    """

    rig: int
    shift: tuple[int, int]
    brightness: float
    wire_slope: float
    wire_shine: int
    noise_at: tuple[int, int]

    @staticmethod
    def of(seed: int, coil: int, image_number: int, rig: int = 0) -> Shot:
        """Draw what is one photograph's own; another ``rig`` is another photograph of the same winding."""
        draws = Draws("view", seed, coil, image_number, rig)
        return Shot(
            rig=rig,
            shift=(draws.whole(-1, 1), draws.whole(-2, 2)),
            brightness=draws.between(0.96, 1.04),
            wire_slope=draws.between(-0.012, 0.02),
            wire_shine=draws.whole(18, 60),
            noise_at=(draws.whole(0, _NOISE_SIZE - 1), draws.whole(0, _NOISE_SIZE - 1)),
        )


@dataclass(frozen=True)
class _Rig:
    """What is computed once for a camera and a face."""

    camera: Camera
    background: NDArray[np.int16]
    tables: Profiles
    noise: NDArray[np.int16]


class CoilRenderer:
    """Draws the photographs of one coil.

    A picture depends on the seed, the coil, the image number, the faults and the rig, on nothing else.

    Args:
        seed: seed of the data set.
        coil: number of the coil, 0 or more.
        rigs_kept: how many backgrounds (one per rig and face) are kept in memory.
        kind: type of bobbin, and light.
    """

    def __init__(self, seed: int, coil: int, rigs_kept: int = 16, kind: Kind = USUAL) -> None:
        self.seed = seed
        self.coil = coil
        self.kind = kind
        self.winding = Winding.of(seed, coil)
        self._rigs: OrderedDict[tuple[int, int], _Rig] = OrderedDict()
        self._rigs_kept = rigs_kept

    def render(self, image_number: int, faults: Sequence[Fault] = (), rig: int = 0) -> NDArray[np.uint8]:
        """Return the photograph, uint8 (486, 745).

        Args:
            image_number: 1 … 960.
            faults: faults of the coil; those that are not seen in this picture are ignored.
            rig: 0 is the data set's own photograph; any other number is another photograph of the same
                winding state, with other camera, light, vibration, wire and noise.

        Raises:
            UserError: the image number lies outside 1 … 960.
        """
        if not 1 <= image_number <= IMAGES:
            raise UserError(f"image number {image_number} is outside 1 … {IMAGES}.")
        strands = strands_at(self.seed, self.coil, image_number, faults)
        _, face = turn_and_face(image_number)
        return self._photograph(strands, face, Shot.of(self.seed, self.coil, image_number, rig))

    def _photograph(self, strands: Strands, face: int, shot: Shot) -> NDArray[np.uint8]:
        rig = self._rig(shot.rig, face)
        camera = rig.camera
        canvas = np.roll(rig.background, shot.shift, (0, 1))
        half = camera.half_width + camera.growth * float(strands.layer.max())
        height = camera.top + MARGIN + shot.shift[0] + strands.feed * camera.pitch + camera.shear * half
        draw_wire(
            canvas,
            height,
            int(camera.centre + half) + MARGIN + shot.shift[1],
            shot.wire_slope,
            shot.wire_shine,
        )
        draw_strands(canvas, strands, camera, rig.tables, shot.shift)
        picture = canvas[MARGIN : MARGIN + HEIGHT, MARGIN : MARGIN + WIDTH]
        levels = np.rint(np.arange(512) * (camera.gain * shot.brightness)).astype(np.int16)
        picture = levels[np.clip(picture, 0, 511)]
        row, column = shot.noise_at
        noisy = picture + rig.noise[row : row + HEIGHT, column : column + WIDTH]
        photo: NDArray[np.uint8] = np.clip(noisy, 0, 255).astype(np.uint8)
        return photo

    def _rig(self, number: int, face: int) -> _Rig:
        key = (number, face)
        if key in self._rigs:
            self._rigs.move_to_end(key)
            return self._rigs[key]
        camera = Camera.of(self.seed, self.coil, number, self.winding.strands, self.kind)
        background = draw_background(camera, camera.pitch * self.winding.strands, face)
        rig = _Rig(camera, background, profiles(camera), _noise(camera.noise))
        self._rigs[key] = rig
        if len(self._rigs) > self._rigs_kept:
            self._rigs.popitem(last=False)
        return rig


@lru_cache(maxsize=1)
def _noise_tile() -> NDArray[np.int32]:
    """Return bell-shaped noise in 1/256 standard deviations; wide enough to cut a picture out anywhere."""
    tile = np.rint(Draws("noise").bell(256, (_NOISE_SIZE, _NOISE_SIZE))).astype(np.int32)
    return np.pad(tile, ((0, HEIGHT), (0, WIDTH)), mode="wrap")


@lru_cache(maxsize=32)
def _noise_at_level(level: int) -> NDArray[np.int16]:
    return ((_noise_tile() * level + 2048) >> 12).astype(np.int16)


def _noise(deviation: float) -> NDArray[np.int16]:
    return _noise_at_level(round(deviation * 16 / 3) * 3)


def photographs(catalogue: Catalogue, ids: Iterable[int]) -> Iterator[NDArray[np.uint8]]:
    """Yield the photograph, uint8 (486, 745), of each id of the catalogue; quickest where ids of a coil follow."""
    renderer: CoilRenderer | None = None
    for position in ids:
        coil = int(catalogue.coils[position])
        if renderer is None or renderer.coil != coil:
            renderer = CoilRenderer(catalogue.seed, coil, kind=catalogue.kinds.get(coil, USUAL))
        yield renderer.render(int(catalogue.numbers[position]), catalogue.faults[coil])
