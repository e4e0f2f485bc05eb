"""docs/inputs.md from the cases of this folder.

python -m tests.inputs.table > docs/inputs.md
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from tests.inputs.case import Case

HEAD = """\
# What is read, and what is refused

Every row is a test (`tests/inputs/`); this page is made by `python -m tests.inputs.table > docs/inputs.md`, and a
test compares the two. «read, with a line»: it is used as meant, and the log says how. «refused»: exit code 2 and a
message with these words, which says what is wrong, where, and what to do, before anything is trained.
"""


def topics() -> list[ModuleType]:
    """Return the modules of this folder that hold cases, in the order of their ``PLACE`` on the page."""
    names = [found.name for found in pkgutil.iter_modules([str(Path(__file__).parent)])]
    modules = [importlib.import_module(f"tests.inputs.{name}") for name in sorted(names)]
    return sorted((module for module in modules if hasattr(module, "CASES")), key=lambda module: module.PLACE)


def cases(module: ModuleType) -> list[Case]:
    """Return the cases of a topic."""
    found: list[Case] = module.CASES
    return found


def as_markdown() -> str:
    """Return the page."""
    parts = [HEAD]
    for module in topics():
        rows = [f"| {case.given} | {case.outcome} | {case.says} |" for case in cases(module)]
        parts.append("\n".join([f"## {module.TITLE}\n", "| given | outcome | words |", "|---|---|---|", *rows, ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    print(as_markdown(), end="")
