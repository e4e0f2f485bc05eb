"""Arrays on disk, memory-mapped, built once for all runs and processes: decoded images and features."""

from coilal.common.array_store.build import Target
from coilal.common.array_store.extend import Content, open_or_extend
from coilal.common.array_store.store import ensure_room_for_all, in_turn, open_or_build, open_stored, seconds_waited

__all__ = [
    "Content",
    "Target",
    "ensure_room_for_all",
    "in_turn",
    "open_or_build",
    "open_or_extend",
    "open_stored",
    "seconds_waited",
]
