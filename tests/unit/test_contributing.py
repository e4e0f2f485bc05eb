"""CONTRIBUTING.md is a map that stays true: the rooms, files and functions that it names are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import coilal
from coilal.run_directory.health import FILES

REPOSITORY = Path(__file__).parents[2]
PACKAGE = Path(coilal.__file__).parent
TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
NAMED = {name for name in re.findall(r"`([\w/]+\.(?:py|yaml)(?::[\w.]+)?)`", TEXT) if "NAME" not in name} - set(
    FILES
)
THERE = [path for folder in ("src", "tests", "conf") for path in (REPOSITORY / folder).rglob("*.*")]


@pytest.mark.parametrize("named", sorted(NAMED))
def test_what_is_named_is_there(named: str) -> None:
    path, _, name = named.partition(":")
    files = [file for file in THERE if file.as_posix().endswith(f"/{path}")]
    assert files
    assert not name or name in defined_in(ast.parse(files[0].read_text(encoding="utf-8")))


def defined_in(tree: ast.AST, before: str = "") -> list[str]:
    names = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names += [before + node.name, *defined_in(node, f"{before}{node.name}.")]
    return names


def test_every_room_is_on_the_map() -> None:
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)) == rooms
    assert {path.stem for path in (REPOSITORY / "docs" / "reference").glob("*.md")} - {"index"} == rooms
