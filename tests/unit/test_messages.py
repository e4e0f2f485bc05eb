"""What messages and comments advise can be typed as it stands: its settings exist, its values are read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

import coilal
from coilal.common.cli import conf_folder
from coilal.common.folder_names import study_names
from coilal.run_directory.identity import flatten
from coilal.runs.rules import RULES

PACKAGE, CONF = Path(coilal.__file__).parent, Path(conf_folder())
TOKEN = re.compile(r"(?<![\w./%$<{-])\+{0,2}([a-z][a-z_]*(?:[./][A-Za-z_]\w*)*)=(?=[^\s=])")
HOLE = "…"  # stands for what an f-string fills in
OF_COMMANDS = {  # settings of commands that Hydra does not know
    *("study", "outputs", "out", "replace", "model", "task", "sheet"),
    *("run", "overkill", "export", "classes", "class_folders", "answers", "who", "found_at"),
}
NO_ADVICE = {
    *("key", "validation", "test", "precision", "trainable"),  # of sentences about settings
    *("token",),  # of an address
    *("encoding", "index", "dtype", "keep_default_na", "sep", "d"),  # lines of Python, and Excel's own
}
OPEN = ("+model.trunk.arguments.",)  # sections that take any key, added with a plus
PLACEHOLDER = re.compile(rf"{HOLE}|%s|\b[A-Z]{{1,}}\b|<\w+>|\bPATH")


def known_settings() -> set[str]:
    """Return the dotted keys and the groups of the whole configuration."""
    known = set(OF_COMMANDS) | set(RULES)
    for path in CONF.rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        group = path.parent.relative_to(CONF).as_posix().replace(".", "")
        prefix = "" if "@package _global_" in text or not group else f"{group.replace('/', '.')}."
        content: dict[str, Any] = yaml.safe_load(text) or {}
        known |= {f"{prefix}{key}" for key in flatten(content)} | ({group} if group else set())
    return known | {key.rpartition(".")[0] for key in known} | {"hydra/sweeper/sampler"}


def texts() -> Iterator[tuple[str, str]]:
    """Yield (place, text) of all strings of the package but docstrings, f-strings with holes."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
        apart = inside | {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        name = path.relative_to(PACKAGE)
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                text = "".join(str(p.value) if isinstance(p, ast.Constant) else HOLE for p in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in apart:
                text = node.value
            else:
                continue
            yield f"{name}:{node.lineno}", text


def comments() -> Iterator[tuple[str, str]]:
    """Yield (place, text) of the comments of the configuration."""
    for path in sorted(CONF.rglob("*.yaml")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if found := re.search(r"(?:^|\s)#(.*)", line):
                yield f"{path.relative_to(CONF)}:{number}", found[1]


def advice() -> list[Any]:
    """Return (key, what follows) of every ``key=value`` in a message or comment, ids that say where."""
    return [
        pytest.param(found[1], text[found.end() :], id=f"{place} {found[1]}")
        for place, text in (*texts(), *comments())
        for found in TOKEN.finditer(text)
        if found[1] not in NO_ADVICE and not found[0].startswith(OPEN)
    ]


KNOWN = known_settings()


@pytest.mark.parametrize(("key", "rest"), advice())
def test_what_is_advised_is_a_setting_and_can_be_typed(key: str, rest: str) -> None:
    assert key in KNOWN
    text = value_of(rest)
    if PLACEHOLDER.search(text):
        return  # what the user or the message fills in
    override = OverridesParser.create().parse_override(f"{key}={text}")
    values = list(override.sweep_string_iterator()) if override.is_sweep_override() else [text]
    if (CONF / key).is_dir() and key != "hydra/sweeper/sampler":
        for option in values:
            named = option.strip("[]").split(",")
            assert all((CONF / key / f"{name}.yaml").exists() for name in named), option
    elif key == "study":
        study_names(override.value())  # the report takes several
    elif key in RULES and not override.is_sweep_override():
        assert RULES[key].fits(override.value())


def value_of(rest: str) -> str:
    """Return the value at the beginning of a text: up to a blank outside of brackets, without a full stop."""
    depth, end = 0, len(rest)
    for index, character in enumerate(rest):
        depth += (character in "([{") - (character in ")]}")
        if depth < 0 or (depth == 0 and character in ' \n"`'):
            end = index
            break
    return rest[:end].rstrip(".,;:")


def test_the_scan_sees_messages_of_all_kinds() -> None:
    keys = {parameter.values[0] for parameter in advice()}
    assert {
        "cache.dir",
        "data.image.size",
        "task",
        "hydra/launcher",
        "hydra.sweeper.seeds",
        "hparams.any_data",
    } <= keys
