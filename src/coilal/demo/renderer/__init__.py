"""Renderer of wound-coil images: a stand-in for photographs that may not be published."""

from __future__ import annotations

from coilal.demo.renderer.faults import KINDS, Fault, events_of, labels_of, place
from coilal.demo.renderer.picture import RENDERER_VERSION, CoilRenderer, View, photographs
from coilal.demo.renderer.plan import COMBINATIONS, RenderPlan, another_history, codes_of, plan, plan_for
from coilal.demo.renderer.scene import HEIGHT, IMAGES, WIDTH, Winding
from coilal.demo.renderer.winding import Strands, strands_at

__all__ = [
    "COMBINATIONS",
    "HEIGHT",
    "IMAGES",
    "KINDS",
    "RENDERER_VERSION",
    "WIDTH",
    "CoilRenderer",
    "Fault",
    "RenderPlan",
    "Strands",
    "View",
    "Winding",
    "another_history",
    "codes_of",
    "events_of",
    "labels_of",
    "photographs",
    "place",
    "plan",
    "plan_for",
    "strands_at",
]
