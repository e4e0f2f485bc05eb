"""One thing that a user may hand over, and what becomes of it; all cases together are docs/inputs.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Outcome = Literal["read", "read, with a line", "refused"]


@dataclass(frozen=True)
class Case:
    """An input and what must become of it.

    Attributes:
        given: what is handed over, for the table, in Markdown.
        outcome: ``read`` as it is meant; ``read, with a line`` that says how; ``refused`` in one sentence.
        says: words of that line or sentence; for ``read``, words of the proof that ``try_it`` returns, or "".
        try_it: makes the input in an empty folder and hands it over as a user would. Returns what was said (log
            lines, notes, or a proof that it was read right); raises UserError if it is refused.
    """

    given: str
    outcome: Outcome
    says: str
    try_it: Callable[[Path], str]
