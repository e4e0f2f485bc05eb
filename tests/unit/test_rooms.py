"""Imports point one way: each room may import only what stands beside it here."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import coilal

PACKAGE = Path(coilal.__file__).parent

# room → rooms that it may import, besides its own: in the order in which data flow.
ROOMS = {
    "common": set(),
    "run_directory": {"common"},
    "data": {"common"},
    "active": {"common"},
    "features": {"common"},
    "demo": {"common", "data", "run_directory"},
    "inspection": {"common"},
    "evidence": {"common", "run_directory", "inspection"},
    "fit": {"common", "active", "features"},
    "runs": {"common", "run_directory", "data", "active", "features", "inspection", "fit"},
    "sweep": {"common", "run_directory", "runs", "fit"},
    "labelling": {"common", "run_directory", "data", "active", "fit", "runs", "evidence"},
    "prediction": {"common", "run_directory", "data", "active", "features", "inspection", "fit", "runs"},
}
# command → rooms that it may import, besides common. Each but those that show what two rooms know has one.
COMMANDS = {
    "train": {"runs", "sweep"},
    "check": {"runs"},
    "status": {"sweep"},
    "tune": {"sweep"},
    "predict": {"prediction"},
    "relabel": {"prediction"},
    "label": {"labelling", "runs"},
    "ask": {"labelling"},
    "report": {"evidence", "sweep"},
    "dashboard": {"evidence", "run_directory", "runs"},
    "render": {"demo", "data"},
    "pretrain": {"demo", "features"},
}


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
    allowed = ROOMS[own] if own in ROOMS else COMMANDS[own] | {"common"} if own != "__init__" else set()
    assert imported_rooms(path) - {own, "__version__"} <= allowed


def test_at_the_top_lie_rooms_and_commands_alone() -> None:
    found = {room(path) for path in PACKAGE.rglob("*.py")} - {"__init__"}
    assert found == {*ROOMS, *COMMANDS}


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_says_what_comes_in_and_what_goes_out(name: str) -> None:
    said = ast.get_docstring(ast.parse((PACKAGE / name / "__init__.py").read_text())) or ""
    assert "In: " in said
    assert "Out: " in said


@pytest.mark.parametrize("name", [*ROOMS, *COMMANDS])
def test_what_a_room_may_import_it_imports(name: str) -> None:
    files = [path for path in PACKAGE.rglob("*.py") if room(path) == name]
    allowed = ROOMS[name] if name in ROOMS else COMMANDS[name]
    assert allowed <= set().union(*map(imported_rooms, files))


def test_the_session_needs_neither_torch_nor_tables() -> None:
    heavy = {"torch", "pytorch_lightning", "pandas", "hydra", "omegaconf", "scipy"}
    code = f"import sys, coilal.active.session, coilal.active.oracle; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# All but what builds from settings, and what starts many runs, which Hydra calls with its own.
BEHIND_THE_DOOR = set(ROOMS) - {"common", "sweep"}
# A door takes the composed settings of Hydra; rules and settings are what it checks and reads them with.
DOORS = {"runs/run.py", "runs/prepare.py", "runs/rules.py", "runs/settings.py"}


def test_behind_the_door_settings_are_no_longer_those_of_hydra() -> None:
    files = {path for name in BEHIND_THE_DOOR for path in (PACKAGE / name).rglob("*.py")}
    knowing = {
        str(path.relative_to(PACKAGE))
        for path in files
        if {"DictConfig", "HydraConfig"} & set(re.findall(r"\w+", path.read_text()))
    }
    assert knowing == DOORS
