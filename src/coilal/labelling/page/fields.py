"""What a request says: its body, its fields, who sends it; each looked at before the desk sees it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from coilal.active.labels import Answer, Label, NoLabel

LARGEST_BODY = 64 * 1024
LONGEST_NAME = 80
LARGEST_NUMBER = 2**53  # of JavaScript
_TAB = re.compile(r"[A-Za-z0-9_-]{1,40}")


class RefusedError(Exception):
    """A request that is not what it should be; says why.

    Args:
        message: in words, for the page or a program's author.
        status: of HTTP.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        self.status = status
        super().__init__(message)


@dataclass(frozen=True)
class Told:
    """An answer as it was sent.

    Attributes:
        who: ``name#tab``.
        number: of the image.
        answer: the label, or none.
        seconds: it took.
        saw_guess: whether the model's guess was on the screen.
        second_look: whether the image was shown with the stage ``again``; None where the sender does not say.
        id: of the answer, the sender's own; "" without one.
        again: whether it may have arrived at a server that has ended since.
    """

    who: str
    number: int
    answer: Answer
    seconds: float
    saw_guess: bool
    second_look: bool | None
    id: str
    again: bool

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Told:
        """Return the answer in a body.

        Raises:
            RefusedError: a field is missing or wrong.
        """
        seconds = body.get("seconds", 0)
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not is_number or not math.isfinite(seconds) or seconds < 0:
            raise RefusedError("seconds must be a number, 0 or more")
        identity = body.get("id", "")
        if not isinstance(identity, str) or len(identity) > LONGEST_NAME:
            raise RefusedError(f"id must be text of at most {LONGEST_NAME} characters")
        return cls(
            who=who_of(body.get("who")),
            number=_number(body.get("number")),
            answer=_answer(body),
            seconds=float(seconds),
            saw_guess=_flag(body, "saw_guess"),
            second_look=_flag(body, "second_look") if "second_look" in body else None,
            id=identity,
            again=_flag(body, "again"),
        )

    @property
    def label(self) -> Label:
        """The label.

        Raises:
            RefusedError: the answer is none.
        """
        if isinstance(self.answer, NoLabel):
            raise RefusedError("a whole part needs a label")
        return self.answer


async def json_of(request: Request) -> Mapping[str, Any]:
    """Return the JSON object in a request's body.

    Raises:
        RefusedError: it is too large, or none.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RefusedError("the body must be JSON: send Content-Type: application/json", 415)
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_BODY:
            raise RefusedError(f"the body is larger than {LARGEST_BODY} bytes", 413)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError("the body is no JSON") from None
    if not isinstance(value, dict):
        raise RefusedError("the body must be a JSON object, {…}")
    return value


def who_of(given: object) -> str:
    """Return ``name#tab``: who labels.

    Raises:
        RefusedError: it is not of that form.
    """
    name, mark, tab = given.partition("#") if isinstance(given, str) else ("", "", "")
    if not mark or not _TAB.fullmatch(tab):
        raise RefusedError("who must be name#tab, with 1 to 40 letters, digits, - or _ as tab")
    if len(name) > LONGEST_NAME or (name and not name.isprintable()):
        raise RefusedError(f"the name in who must be at most {LONGEST_NAME} characters that can be printed")
    return f"{name.strip()}#{tab}"


def whole(text: str | None, least: int, most: int, default: int | None, name: str) -> int | None:
    """Return a whole number of a query.

    Raises:
        RefusedError: it is none, or outside its limits.
    """
    if text is None or text == "":
        return default
    if not re.fullmatch(r"[0-9]{1,16}", text) or not least <= int(text) <= most:
        raise RefusedError(f"{name} must be a whole number from {least} to {most}")
    return int(text)


def text_of(body: Mapping[str, Any], name: str) -> str:
    """Return a text of a body.

    Raises:
        RefusedError: it is missing, or none.
    """
    value = body.get(name)
    if not isinstance(value, str):
        raise RefusedError(f"{name} must be text")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < LARGEST_NUMBER:
        raise RefusedError("number must be the whole number of an image")
    return value


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise RefusedError(f"{name} must be true or false")
    return value


def _answer(body: Mapping[str, Any]) -> Answer:
    label, no_label = body.get("label"), body.get("no_label")
    if (label is None) == (no_label is None):
        raise RefusedError("give either label or no_label")
    if label is None:
        if no_label not in [each.value for each in NoLabel]:
            raise RefusedError("no_label must be unsure or skip")
        return NoLabel(no_label)
    if isinstance(label, str):
        return label
    if not isinstance(label, list) or not all(isinstance(each, str) for each in label):
        raise RefusedError("label must be a class name, or a list of label names")
    return tuple(label)
