"""Data that is refused is refused once for all cells of a grid: nobody decodes all images again to hear the same.

The processes of a launch keep what they have found in a folder that they share. The first one looks at the data
while the others wait for it; what it was told is what they are told.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from coilal.common.array_store.store import in_turn
from coilal.common.types import DataError, Problem
from coilal.run_directory.files import WAY_OUT

T = TypeVar("T")

_folder: Path | None = None  # of the launch that this process works for; none for a run by itself


@contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Keep what is found in a folder, for all processes that do so."""
    global _folder  # what lies between a grid's worker and the data of its runs knows nothing of grids
    before, _folder = _folder, folder
    try:
        yield
    finally:
        _folder = before


def in_a_launch() -> bool:
    """Return whether this process works for the launch of a grid, which has told what concerns all of its cells."""
    return _folder is not None


def once(determined_by: Mapping[str, Any], make: Callable[[], T]) -> T:
    """Return what ``make`` gives, or raise again the DataError that it has raised for another cell of this launch.

    Only the data are refused for good: a full disk or a lost connection may be mended before the next cell.

    Args:
        determined_by: everything that decides whether the data is refused.
        make: reads, checks or decodes data.

    Raises:
        DataError: the data is refused.
    """
    if _folder is None:
        return make()
    text = json.dumps(determined_by, sort_keys=True, default=str)
    found = _folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.txt"
    _raise_again(found)
    if found.exists():
        return make()
    _folder.mkdir(parents=True, exist_ok=True)
    with in_turn(found.with_suffix(".lock"), "another process looks at the same data", WAY_OUT):
        _raise_again(found)
        try:
            made = make()
        except DataError as error:
            found.write_text(str(error), encoding="utf-8")
            raise
        found.touch()
    return made


def _raise_again(found: Path) -> None:
    if found.exists() and (message := found.read_text(encoding="utf-8")):
        raise DataError([Problem(message)])
