"""The settings of a labelling session that a study does not have: ``conf/label/session.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from coilal.common.types import UserError
from coilal.evidence.advice import Stake
from coilal.evidence.report_settings import Prices
from coilal.runs.settings import Settings

KEPT = ("audit", "reask")
"""Settings that decide what is asked for and measured: a session keeps those that it began with."""
MAY_CHANGE = (
    *("show_guess", "least_gain", "error", "decisions", "annotator_hour", "currency"),
    *("host", "port", "open"),
)
"""Settings that say what is shown, advised, and how the page is reached: each start may have others."""
MOST_CLASS_NAME = 60
"""Characters of a class name: it stands on a button."""


@dataclass(frozen=True)
class LabelSettings:
    """The settings of a labelling session; see ``conf/label/session.yaml``.

    Those with a value here are not in the settings of sessions that began in an earlier version.
    """

    classes: tuple[str, ...]
    audit: int
    reask: float
    show_guess: bool
    host: str
    port: int
    open: bool
    stake: Stake = field(default_factory=Stake)
    annotator_hour: float | None = None
    currency: str = "EUR"

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
        if settings.oracle.errs:
            raise UserError(
                "people make errors of their own: in a labelling session oracle.error_rate must be 0 and "
                "oracle.confusion null."
            )
        if settings.budget["labelled"]:
            raise UserError("a labelling session has no planned end: budget.labelled must be [].")
        added = {key: given[key] for key in ("annotator_hour", "currency") if key in given}
        known = {key: given[key] for key in ("audit", "reask", "show_guess", "host", "port", "open")}
        found = cls(classes, stake=Stake.of(given), **known, **added)
        if found.stake.error and found.annotator_hour is None:
            raise UserError(
                f"label.error={found.stake.error:g} is compared with what labels cost: give label.annotator_hour, "
                "too, the money per hour of who labels."
            )
        return found

    @property
    def prices(self) -> Prices | None:
        """Return the price of people's time, None where none is set; that of the machine is the report's."""
        if self.annotator_hour is None:
            return None
        return Prices(self.currency, self.annotator_hour, compute_hour=0)


def other_settings(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Return ``label.key: there → here`` for each setting that a session keeps, and that is another one now.

    Classes may be added behind those that are there: keys and columns of the others stay.

    Args:
        there: ``label`` of a session that has begun; what its version did not have counts as the same.
        here: ``label`` of the command that would go on with it.
    """
    found = [f"label.{key}: {there[key]} → {here[key]}" for key in KEPT if key in there and there[key] != here[key]]
    before, now = ([str(name) for name in label.get("classes") or ()] for label in (there, here))
    if now[: len(before)] != before:
        shown = " → ".join(f"[{', '.join(names)}]" for names in (before, now))
        found.append(f"label.classes: {shown} (further ones can be added behind those that are there)")
    return found


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
