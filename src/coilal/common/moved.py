"""Where classes that settings name lie now: earlier versions stored, and own yaml may name, the old places."""

from __future__ import annotations

MOVED = {
    "coilal.data.rendered.": "coilal.demo.rendered.",
    "coilal.loggers.": "coilal.runs.loggers.",
    "coilal.models.": "coilal.features.",
    "coilal.strategies.": "coilal.active.strategies.",
    "coilal.tasks.": "coilal.fit.tasks.",
    "coilal.types.": "coilal.common.types.",
}


def current(target: str) -> str:
    """Return the dotted path of a class or function as this version has it; any other text as it is."""
    for old, new in MOVED.items():
        if target.startswith(old):
            return new + target.removeprefix(old)
    return target


def first_path(target: str) -> str:
    """Return the dotted path under which a class or function was first known; any other text as it is.

    What is stored under it stays found wherever the class is moved to.
    """
    for old, new in MOVED.items():
        if target.startswith(new):
            return old + target.removeprefix(new)
    return target
