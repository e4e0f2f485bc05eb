"""Arrays on disk, memory-mapped, built once for all runs and processes: decoded images and features."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import DTypeLike, NDArray

from coilal.types import UserError

log = logging.getLogger(__name__)

Array = NDArray[Any]


def open_or_build(path: Path, shape: tuple[int, ...], dtype: DTypeLike, fill: Callable[[Array], None]) -> Array:
    """Return the array in ``path``, memory-mapped, building it first if it is not there.

    Of several processes that ask at once, one builds and the others wait. The array appears under its
    final name only when it is complete, so a killed build leaves nothing that could be taken for one.

    Args:
        path: a ``.npy`` file; its name stands for everything that determines the content.
        shape: shape of the array.
        dtype: type of the array.
        fill: writes every row of the array it is given.

    Raises:
        UserError: the disk cannot hold the array.
    """
    found = _open(path, shape, dtype)
    if found is not None:
        return found
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        found = _open(path, shape, dtype)
        if found is None:
            _build(path, shape, dtype, fill)
            found = _open(path, shape, dtype)
    assert found is not None
    return found


def _open(path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> Array | None:
    if not path.exists():
        return None
    try:
        array: Array = np.load(path, mmap_mode="r")
        if array.shape == shape and array.dtype == dtype:
            return array
    except (ValueError, EOFError):  # a truncated file
        pass
    log.warning("the stored array %s is damaged; it is made again", path)
    return None


def _build(path: Path, shape: tuple[int, ...], dtype: DTypeLike, fill: Callable[[Array], None]) -> None:
    for leftover in path.parent.glob(f".{path.stem}-*"):  # of a build that was killed; we hold the lock
        leftover.unlink(missing_ok=True)
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    free = shutil.disk_usage(path.parent).free
    if size > free:
        raise UserError(
            f"{path.parent} has {free / 1e9:.1f} GB free, but an array of {size / 1e9:.1f} GB is to be stored "
            "there. Choose another folder with cache.dir=… or smaller images with data.image.size=[H,W]."
        )
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".npy")
    os.close(handle)
    partial = Path(name)
    try:
        array = np.lib.format.open_memmap(partial, mode="w+", dtype=dtype, shape=shape)
        fill(array)
        array.flush()
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
