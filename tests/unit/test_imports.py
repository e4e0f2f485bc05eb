"""Imports point one way (DESIGN): each room may import only what stands beside it here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import coilal

PACKAGE = Path(coilal.__file__).parent

# room → rooms of coilal that it may import (its own is always allowed); what is not listed is an entry
# point or the run room, which may import everything.
ALLOWED = {
    "types": set(),
    "machine": {"types"},
    "output": set(),
    "array_store": {"types", "machine"},
    "strategies": {"types"},
    "lean_imports": set(),
    "tasks": {"types", "lean_imports"},
    "signals": set(),
    "long_work": set(),
    "results": {"types", "machine", "signals"},
    "data": {"types", "array_store", "machine", "signals", "long_work", "typed"},
    "models": {"types", "machine", "tasks", "array_store", "lean_imports", "threads", "long_work"},
    "pool": {"types"},
    "instantiate": {"types"},
    "oracle": {"types"},
    "measure": set(),
    "batches": {"types"},
    "learning": {"types", "pool", "batches", "measure"},
    "threads": {"types"},
    "loop": {"batches", "learning", "threads"},
    "loggers": {"types", "results"},
    "folder_names": {"types"},
    "typed": set(),
    "cli": {"types", "typed", "machine", "output", "signals"},
}
RUN_ROOM = {
    *("run", "experiment", "sweep", "plan", "prepare", "recorder", "settings", "shared", "provenance"),
    *("same_data", "study_split", "refusals"),
}
ENTRY_POINTS = {"train", "check", "status", "tune", "report"}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in {path}"
            modules = [node.module or ""]
            if node.module == "coilal":
                modules = [f"coilal.{alias.name}" for alias in node.names]
        rooms |= {module.split(".")[1] for module in modules if module.startswith("coilal.")}
    return rooms


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    own = room(path)
    imported = imported_rooms(path) - {own, "__version__"}
    if own in ALLOWED:
        assert imported <= ALLOWED[own]
    elif own not in RUN_ROOM | ENTRY_POINTS:
        assert not imported & RUN_ROOM, "only the entry points import the run room"
