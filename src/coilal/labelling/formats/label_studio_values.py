"""Values in exports of Label Studio, which have several forms each."""

from __future__ import annotations

import json
import math


def texts(value: object) -> tuple[str, ...]:
    """Return what was chosen: of a text, a list, a dictionary with ``choices``, or one of these as JSON."""
    if isinstance(value, str):
        read = _as_json(value)
        if read is None:
            return (value,) if value.strip() else ()
        value = read
    if isinstance(value, dict):
        value = value.get("choices") or []
    if isinstance(value, list):
        return tuple(text for each in value for text in texts(each))
    return () if value is None else (str(value),)


def _as_json(text: str) -> object:
    if not text.startswith(("{", "[")):
        return None
    try:
        found: object = json.loads(text)
    except ValueError:  # a name may begin with a bracket
        return None
    return found


def person(who: object) -> str:
    """Return who an annotator is: a number, or a dictionary with an address; "" where nothing is known."""
    if isinstance(who, dict):
        who = next((who[key] for key in ("email", "username", "id") if who.get(key)), "")
    return "" if who in (None, "None") else str(who)


def seconds(value: object) -> float | None:
    """Return a time, None where it is none."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number >= 0 else None
