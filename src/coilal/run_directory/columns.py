"""Columns of cycles.csv that measure the machine, not the result. Metrics have their part in front (``test/…``)."""

from __future__ import annotations


def is_duration(column: str) -> bool:
    """Return whether a column of cycles.csv counts seconds."""
    return "/" not in column and column.endswith("_s")


def is_measurement(column: str) -> bool:
    """Return whether a column of cycles.csv measures the machine (seconds, memory) and not the result.

    Equal runs are equal in all other columns.
    """
    return is_duration(column) or ("/" not in column and column.endswith("_memory_mb"))
