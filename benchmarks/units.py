"""Numbers as the tables show them."""

from __future__ import annotations


def seconds(value: float) -> str:
    """Return a time with three digits, in ms or s."""
    return f"{number(value * 1000)} ms" if abs(value) < 0.1 else f"{number(value)} s"


def number(value: float) -> str:
    """Return three significant digits, with a comma for thousands."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"
