"""Is there room for another array? Said before the work, with what lies in the cache and how to free it."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from coilal.array_store.record import read_record
from coilal.types import UserError

_LISTED = 10


def ensure_room(path: Path, size: int, present: int, max_gb: float | None) -> None:
    """Refuse an array that the disk or the limit of the cache cannot hold; delete nothing.

    Args:
        path: where the array is to lie: ``<cache>/<kind>/<name>.npy``.
        size: bytes of the array.
        present: bytes of it that an interrupted build has already written.
        max_gb: most gigabytes (10⁹ bytes) that the whole cache may take; None for what the disk holds.

    Raises:
        UserError: there is too little room.
    """
    cache = path.parents[1]
    free = shutil.disk_usage(path.parent).free
    if size - present > free:
        raise UserError(
            f"{path.parent} has {_gb(free)} free, but an array of {_gb(size)} is to be stored "
            "there. Choose another folder with cache.dir=… or smaller images with data.image.size=[H,W]."
        )
    files = _sizes(cache)
    used = sum(files.values())
    if max_gb is not None and used - present + size > max_gb * 1e9:
        raise UserError(
            f"an array of {_gb(size)} is to be stored in {cache}, which holds {_gb(used)} and may hold "
            f"cache.max_gb={max_gb:g}. Raise cache.max_gb, choose another cache.dir, or delete what no run needs "
            f"any more (each array with its .json; it is made again when it is needed):\n{_listing(files)}"
        )


def _sizes(cache: Path) -> dict[Path, int]:
    sizes = {}
    for file in cache.rglob("*"):
        with suppress(FileNotFoundError):  # another process has just finished or removed it
            if file.is_file():
                sizes[file] = file.stat().st_size
    return sizes


def _listing(files: dict[Path, int]) -> str:
    largest = sorted(files, key=lambda file: -files[file])
    lines = [f"  {_gb(files[file]):>10}  {file}{_about(file)}" for file in largest[:_LISTED]]
    if len(largest) > _LISTED:
        lines.append(f"  … and {len(largest) - _LISTED} smaller files")
    return "\n".join(lines) or "  (nothing lies there)"


def _about(file: Path) -> str:
    if file.suffix == ".partial":
        return "  (unfinished)"
    record = read_record(file.with_suffix(".json")) if file.suffix == ".npy" else None
    return f"  ({record.about})" if record and record.about else ""


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
