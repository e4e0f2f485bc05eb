"""Renderer of wound-coil images: a stand-in for photographs that may not be published."""

from __future__ import annotations

from coilal.demo.renderer.catalogue import (
    COMBINATIONS,
    Catalogue,
    another_history,
    catalogue,
    catalogue_for,
    codes_of,
)
from coilal.demo.renderer.faults import KINDS, Fault, events_of, labels_of, place
from coilal.demo.renderer.picture import RENDERER_VERSION, CoilRenderer, Shot, photographs
from coilal.demo.renderer.scene import BOBBINS, HEIGHT, IMAGES, LIGHTINGS, WIDTH, Kind, Winding
from coilal.demo.renderer.winding import Strands, strands_at

__all__ = [
    "BOBBINS",
    "COMBINATIONS",
    "HEIGHT",
    "IMAGES",
    "KINDS",
    "LIGHTINGS",
    "RENDERER_VERSION",
    "WIDTH",
    "Catalogue",
    "CoilRenderer",
    "Fault",
    "Kind",
    "Shot",
    "Strands",
    "Winding",
    "another_history",
    "catalogue",
    "catalogue_for",
    "codes_of",
    "events_of",
    "labels_of",
    "photographs",
    "place",
    "strands_at",
]
