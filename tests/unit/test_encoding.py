"""Everything is written and read as UTF-8, whatever the locale: no call leaves the encoding to it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import coilal

TEXT = {"open", "read_text", "write_text", "fdopen", "NamedTemporaryFile", "TemporaryFile"}
PROCESSES = {"run", "Popen", "check_output"}


def leaves_it_to_the_locale(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    keywords = {keyword.arg for keyword in call.keywords}
    if name in PROCESSES and {"text", "universal_newlines"} & keywords:
        return "encoding" not in keywords
    owner = getattr(getattr(call.func, "value", None), "id", "")
    if name not in TEXT or "encoding" in keywords or owner in ("Image", "os"):  # Pillow's; a descriptor
        return False
    if name == "write_text":
        return len(call.args) < 2
    if name == "read_text":
        return not call.args
    position = 0 if isinstance(call.func, ast.Attribute) else 1
    modes = [*call.args[position : position + 1], *(k.value for k in call.keywords if k.arg == "mode")]
    return not any(map(is_binary, modes))


def is_binary(mode: ast.expr) -> bool:
    return any(isinstance(part, ast.Constant) and "b" in str(part.value) for part in ast.walk(mode))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("open(path)", True),
        ("open(path, 'rb')", False),
        ("path.open('w')", True),
        ("path.open('w', encoding='utf-8')", False),
        ("path.read_text()", True),
        ("path.write_text(text, 'utf-8')", False),
        ("subprocess.run(command, text=True)", True),
        ("Image.open(path)", False),
    ],
)
def test_the_search_finds_what_it_should(source: str, found: bool) -> None:
    (call,) = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    assert leaves_it_to_the_locale(call) == found


def test_no_file_is_opened_in_the_encoding_of_the_locale() -> None:
    places = [
        f"{path.name}:{node.lineno}"
        for path in Path(coilal.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and leaves_it_to_the_locale(node)
    ]
    assert not places
