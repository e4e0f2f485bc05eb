"""Which class or label a text means, as people and spreadsheets write it."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from coilal.active.labels import NoLabel
from coilal.data.spelling import spelled_alike

WITHOUT_LABEL = {"unsure": NoLabel.UNSURE, "?": NoLabel.UNSURE, "skip": NoLabel.SKIP}
"""Texts, small, that are answers without a label."""

_MOST = 20  # names in a message


class KnownClasses:
    """The classes or labels that may be named.

    Args:
        names: of the classes or labels.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._alike: dict[str, list[str]] = {}
        for name in names:
            self._alike.setdefault(spelled_alike(name), []).append(name)

    def find(self, text: str) -> str | NoLabel | None:
        """Return the class of that name, or the only one that differs in nothing but its spelling, or None.

        ``unsure``, ``?`` and ``skip`` are answers without a label where no class has such a name.
        """
        if text in self._names:
            return text
        alike = self._alike.get(spelled_alike(text), [])
        if len(alike) == 1:
            return alike[0]
        return WITHOUT_LABEL.get(text.strip().casefold())

    def in_order(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return each of these names once, in the order of the classes."""
        return tuple(name for name in self._names if name in names)

    def near(self, text: str) -> str:
        """Return in words which class may be meant."""
        if several := self._alike.get(spelled_alike(text)):
            return f"may be {' or '.join(several)}"
        close = get_close_matches(spelled_alike(text), self._alike, n=1)
        return f"the nearest is {self._alike[close[0]][0]}" if close else "none is near"

    def listed(self) -> str:
        """Return the names for a message."""
        more = f" and {len(self._names) - _MOST} more" if len(self._names) > _MOST else ""
        return ", ".join(self._names[:_MOST]) + more
