"""Settings as they are typed: text that Hydra would read as something else, and what it cannot read."""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Quote, QuotedString
from hydra.errors import HydraException

TEXTS = frozenset(
    {
        *(
            "study",
            "outputs",
            "records",
            "out",
            "cache.dir",
            "data.root",
            "data.labels",
            "data.source.group_pattern",
        ),
        *("model.name", "model.weights", "task.name", "strategy.name", "hparams.data", "data.split.by"),
        *("label.classes", "label.host", "label.currency"),
        *("project", "entity", "logger.wandb.project", "logger.wandb.entity"),
        *(f"hydra.launcher.{name}" for name in ("partition", "account", "qos", "constraint", "name")),
        *(f"data.source.{kind}_column" for kind in ("image", "class", "group", "split", "attribute", "doubt")),
        *(f"data.source.{name}" for name in ("label_columns", "ignored_columns", "good_class", "no_value")),
    }
)
"""Settings that are text, or a list of texts, whatever they look like."""

_SETTING = re.compile(r"(\+{0,2})([A-Za-z_][\w.@/-]*)=(.*)", re.DOTALL)
_PLAIN = re.compile(r"[^'\"\[\](){}\\]*")


def as_typed(arguments: Sequence[str]) -> list[str]:
    """Return a command line with quotes around text that Hydra would read as a number or a switch.

    ``study=2026_11_28`` would become the number 20261128, and ``data.source.good_class=01`` a 1.
    """
    return [_with_quotes(argument) for argument in arguments]


def unreadable(arguments: Sequence[str]) -> str | None:
    """Return what is wrong with the first argument that Hydra cannot read, and what can be typed; None: nothing."""
    for index, argument in enumerate(arguments):
        if not argument.startswith("-") and not _readable(argument):
            return _advice(arguments, index)
    return None


def passed_over(arguments: Sequence[str]) -> list[str]:
    """Return a line for each setting of a command line that does not count because of another one."""
    given: dict[str, list[str]] = {}
    for argument in arguments:
        if setting := _SETTING.fullmatch(argument):
            given.setdefault(setting[2], []).append(argument)
    lines = [
        f"{key} is given {len(several)} times; the last one counts, {several[-1]}"
        for key, several in given.items()
        if len(several) > 1
    ]
    replaced = [key for key in ("budget.initial", "budget.query", "budget.cycles") if key in given]
    if replaced and "budget.labelled" in given:
        lines.append(f"budget.labelled says all counts, so that {', '.join(replaced)} does not count")
    return lines


def quoted(text: str) -> str:
    """Return text as a quoted value of Hydra's grammar."""
    return QuotedString(text, Quote.single).with_quotes()


def shell(argument: str) -> str:
    """Return an argument as it is typed in a shell, in double quotes where they do."""
    if re.fullmatch(r"[\w.,:/@%+=~-]+", argument) and not argument.startswith("~"):
        return argument
    special = re.search(r'["$`!\n]|\\\\', argument)  # what a shell does not leave alone between double quotes
    return shlex.quote(argument) if special else f'"{argument}"'


def as_argument(key: str, text: str) -> str:
    """Return a setting of text as it is typed in a shell, in quotes that keep it text."""
    return shell(f"{key}={quoted(text)}")


def unquoted(text: str) -> str:
    """Return a text without the quotes of Hydra's grammar around it, for commands that Hydra does not read."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" and _readable(f"key={text}"):
        return str(OverridesParser.create().parse_override(f"key={text}").value())
    return text


def _readable(argument: str) -> bool:
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return False
    return True


def _with_quotes(argument: str) -> str:
    setting = _SETTING.fullmatch(argument)
    if not setting or setting[2] not in TEXTS or not _readable(argument):
        return argument
    plus, key, text = setting.groups()
    value = OverridesParser.create().parse_override(argument).value()
    if isinstance(value, list) and _PLAIN.fullmatch(text[1:-1]):
        return f"{plus}{key}=[{_each_quoted(key, text[1:-1])}]"
    if isinstance(value, ChoiceSweep) and value.simple_form and _PLAIN.fullmatch(text):
        return f"{plus}{key}={_each_quoted(key, text)}"
    return f"{plus}{key}={_text(key, text)}" if isinstance(value, bool | int | float) else argument


def _each_quoted(key: str, texts: str) -> str:
    """Return texts with commas between them, those in quotes that would be read as something else."""
    return ",".join(_text(key, text.strip()) for text in texts.split(","))


def _text(key: str, text: str) -> str:
    value = OverridesParser.create().parse_override(f"key={text}").value()
    if not isinstance(value, bool | int | float):
        return text
    # Numbers that keep their spelling stay as they are in study: older runs have stored them so.
    kept = key == "study" and type(value) is not bool and math.isfinite(value) and str(value) == text
    return text if kept else quoted(text)


def _advice(arguments: Sequence[str], index: int) -> str:
    argument = arguments[index]
    setting = _SETTING.fullmatch(argument)
    if setting:
        return _unreadable_value(*setting.groups())
    before = _SETTING.fullmatch(arguments[index - 1]) if index else None
    if before and before[2] in TEXTS and "=" not in argument:
        rest = []
        for word in arguments[index:]:
            if "=" in word or word.startswith("-"):
                break
            rest.append(word)
        whole = " ".join([before[3], *rest])
        return f"'{argument}' is no key=value. Quote a value with blanks: {_typed(before[1] + before[2], whole)}"
    return f"'{argument}' is no setting: settings are key=value (python -m coilal.train --help lists them)"


def _unreadable_value(plus: str, key: str, text: str) -> str:
    if _null_choice(text):
        return (
            f"choice(…) cannot hold null. In a grid, values with commas between them can: "
            f"{shell(f'{plus}{key}={_null_choice(text)}')}; a search proposes numbers and words only"
        )
    hint = (
        "Quote it"
        if key in TEXTS
        else "Brackets and quotes come in pairs; text that holds such characters is quoted"
    )
    return f"the value of {key} cannot be read as it stands: {text}\n{hint}: {_typed(plus + key, text)}"


def _null_choice(text: str) -> str | None:
    """Return the values of a choice(…) that has null among them, with commas between; None if it is none."""
    found = re.fullmatch(r"\s*choice\((.*)\)\s*", text)
    return found[1] if found and re.search(r"(^|,)\s*null\s*(,|$)", found[1], re.IGNORECASE) else None


def _typed(key: str, text: str) -> str:
    """Return a setting with its text in quotes, as it is typed in a shell, which would leave ~ as it is."""
    return as_argument(key, os.path.expanduser(text))
