"""Is there room for another array? Said before the work, with what lies in the cache and how to free it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from coilal.common.array_store.build import Target
from coilal.common.array_store.record import read_record
from coilal.common.types import UserError

_LISTED = 10


def ensure_room(targets: Sequence[Target], max_gb: float | None) -> None:
    """Refuse arrays that the disk or the limit of the cache cannot hold together; delete nothing.

    Args:
        targets: arrays in one folder that are to be built, or built further; what is there of them counts,
            unfinished or damaged.
        max_gb: most gigabytes (10⁹ bytes) that the whole cache may take; None for what the disk holds.

    Raises:
        UserError: there is too little room.
    """
    folder = targets[0].path.parent
    cache = folder.parent
    size = sum(target.size for target in targets)
    present = sum(target.written + target.replaced for target in targets)
    what = f"an array of {_gb(size)}" if len(targets) == 1 else f"{len(targets)} arrays of {_gb(size)} in all"
    free = shutil.disk_usage(folder).free
    if size - present > free:
        raise UserError(
            f"{what} must be stored in {folder}, which has {_gb(free)} free. Choose another folder with "
            "cache.dir=… or smaller images with data.image.size=[H,W]."
        )
    files = _sizes(cache)
    used = sum(files.values())
    if max_gb is not None and used - present + size > max_gb * 1e9:
        raise UserError(
            f"{what} must be stored in {cache}, which holds {_gb(used)} and may hold "
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
