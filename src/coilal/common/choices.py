"""Settings that are one of a few words."""

from __future__ import annotations

from typing import TypeVar

from coilal.common.types import UserError

Choice = TypeVar("Choice")


def chosen(key: str, value: object, choices: tuple[Choice, ...]) -> Choice:
    """Return the choice that a setting is.

    Args:
        key: of the setting, as it is typed.
        value: what it is.
        choices: what it may be, two or more.

    Raises:
        UserError: it is none of them.
    """
    for choice in choices:
        if value == choice:
            return choice
    *others, last = map(str, choices)
    raise UserError(f"{key} is '{value}'; choose {', '.join(others)} or {last}.")
