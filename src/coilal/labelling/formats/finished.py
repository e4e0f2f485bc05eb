"""Writing what is finished: completely or not at all, and never over something else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coilal.common import machine
from coilal.common.types import UserError
from coilal.run_directory.files import write_atomically


def write_new(path: Path, content: str) -> None:
    """Write a file that is not there yet.

    Raises:
        UserError: there is something of that name, or the machine refuses it.
    """
    if path.exists() or path.is_symlink():
        raise UserError(f"{path} is there already and is not overwritten: name another file, or remove it.")
    with machine.writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a folder beside ``path`` to be filled, which becomes ``path`` when all went well, and else is removed.

    Raises:
        UserError: ``path`` is a file, or a folder that holds something; or the machine refuses it.
    """
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise UserError(f"{path} is no folder: name another, or remove it.")
    if path.is_dir() and any(path.iterdir()):
        raise UserError(f"the folder {path} holds something, which is not overwritten: name another, or empty it.")
    partial = path.parent / f".{path.name}.{os.getpid()}.partial"
    try:
        with machine.writing(path):
            partial.mkdir(parents=True)
            yield partial
            os.rename(partial, path)  # refused where the folder has been filled meanwhile
    finally:
        shutil.rmtree(partial, ignore_errors=True)
