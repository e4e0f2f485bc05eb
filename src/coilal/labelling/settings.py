"""The settings of a labelling session that a study does not have: ``conf/label/session.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coilal.common.types import UserError
from coilal.runs.settings import Settings

MOST_CLASS_NAME = 60
"""Characters of a class name: it stands on a button."""


@dataclass(frozen=True)
class LabelSettings:
    """The settings of a labelling session; see ``conf/label/session.yaml``."""

    classes: tuple[str, ...]
    audit: int
    reask: float
    show_guess: bool
    host: str
    port: int
    open: bool

    @classmethod
    def of(cls, settings: Settings) -> LabelSettings:
        """Return those of a command.

        Raises:
            UserError: a class name cannot be one, or the strategy and the budget do not fit a person.
        """
        given: Mapping[str, Any] = settings.config["label"]
        classes = tuple(str(name) for name in given["classes"] or ())
        for number, name in enumerate(classes):
            if problem := problem_of_name(name, classes[:number]):
                raise UserError(f"label.classes: {problem}")
        if settings.budget["labelled"]:
            raise UserError("a labelling session has no planned end: budget.labelled must be [].")
        return cls(classes, *(given[key] for key in ("audit", "reask", "show_guess", "host", "port", "open")))


def problem_of_name(name: str, known: tuple[str, ...]) -> str:
    """Return why a text cannot be the name of a further class or label, "" if it can."""
    if not name.strip() or name != name.strip():
        return f"'{name}' is no name: it is empty, or begins or ends with a blank"
    if len(name) > MOST_CLASS_NAME or not name.isprintable():
        return f"'{name[:MOST_CLASS_NAME]}' is no name: at most {MOST_CLASS_NAME} characters that can be printed"
    if alike := [each for each in known if each.casefold() == name.casefold()]:
        return f"'{name}' is there already, as {alike[0]}"
    if name.casefold() in ("unsure", "skip"):
        return f"'{name}' is an answer without a label, and cannot be a class"
    return ""
