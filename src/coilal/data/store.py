"""Store of decoded images: uint8 on disk, memory-mapped, built once for all runs and processes."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from coilal.types import UserError

log = logging.getLogger(__name__)

Pixels = NDArray[np.uint8]


def open_or_build(cache: Path, key: str, shape: tuple[int, ...], fill: Callable[[Pixels], None]) -> Pixels:
    """Return the memory-mapped array stored under ``key``, building it first if it is not there.

    Of several processes that ask at once, one builds and the others wait. The array appears under its
    final name only when it is complete, so a killed build leaves nothing that could be taken for one.

    Args:
        cache: the cache folder; arrays lie in its sub-folder ``images``.
        key: file name stem that stands for everything that determines the content.
        shape: shape of the uint8 array, (N, C, H, W).
        fill: writes every row of the array it is given.

    Raises:
        UserError: the disk cannot hold the array.
    """
    folder = cache / "images"
    path = folder / f"{key}.npy"
    found = _open(path, shape)
    if found is not None:
        return found
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{key}.lock"):
        found = _open(path, shape)
        if found is None:
            _build(path, shape, fill)
            found = _open(path, shape)
    assert found is not None
    return found


def _open(path: Path, shape: tuple[int, ...]) -> Pixels | None:
    if not path.exists():
        return None
    try:
        array: Pixels = np.load(path, mmap_mode="r")
    except ValueError:
        array = np.empty(0, np.uint8)
    if array.shape != shape or array.dtype != np.uint8:
        log.warning("the decoded images in %s are damaged; they are decoded again", path)
        return None
    return array


def _build(path: Path, shape: tuple[int, ...], fill: Callable[[Pixels], None]) -> None:
    for leftover in path.parent.glob(f".{path.stem}-*"):  # of a build that was killed; we hold the lock
        leftover.unlink(missing_ok=True)
    size = int(np.prod(shape, dtype=np.int64))
    free = shutil.disk_usage(path.parent).free
    if size > free:
        raise UserError(
            f"the decoded images need {size / 1e9:.1f} GB in {path.parent}, where {free / 1e9:.1f} GB are free. "
            "Choose another folder with cache.dir=…, or smaller images with data.image.size=[height,width]."
        )
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".npy")
    os.close(handle)
    partial = Path(name)
    try:
        array = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
        fill(array)
        array.flush()
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
