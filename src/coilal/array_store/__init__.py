"""Arrays on disk, memory-mapped, built once for all runs and processes: decoded images and features."""

from coilal.array_store.store import in_turn, open_or_build, open_or_build_rows, open_stored, seconds_waited

__all__ = ["in_turn", "open_or_build", "open_or_build_rows", "open_stored", "seconds_waited"]
