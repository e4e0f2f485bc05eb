"""Names that become folders: of studies, tasks, models and strategies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coilal.common.types import UserError

ALLOWED = "a name of a folder: text without / and \\ that does not begin with a dot"
LONGEST = 200  # bytes; file systems allow 255, and files are written under names made of these

# What lies beside the folders of the tasks in the folder of a study.
TAKEN = ("report", "optuna", "tuned")


def fits(value: Any) -> bool:
    """Return whether a value can be the name of one folder; a number can, too."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return False
    text = str(value)
    plain = text.isprintable() and not {"/", "\\"} & set(text)
    return plain and text.strip() == text != "" and not text.startswith(".") and len(text.encode()) <= LONGEST


def study_name(value: Any) -> str:
    """Return the name of a study.

    Raises:
        UserError: runs under that name would lie where nothing finds them, or outside the folder of all studies.
    """
    if not fits(value):
        shown = "null" if value is None else f"'{value}'"
        raise UserError(f"study is {shown}; allowed: {ALLOWED}. Studies may lie elsewhere: outputs=FOLDER")
    return str(value)


def study_names(given: Any) -> list[str]:
    """Return the names of one study or of a list of them.

    Raises:
        UserError: there is none, or one of them cannot be the name of a study.
    """
    several = isinstance(given, Sequence) and not isinstance(given, str)
    names = [study_name(value) for value in (given if several else [given])]
    if not names:
        raise UserError("study is an empty list; name one study at least: study=NAME or study=[NAME,NAME]")
    return names
