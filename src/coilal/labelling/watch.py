"""Looks whether a folder of images is another than it was when it was read."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from coilal.common.types import IntArray
from coilal.data.files import stamps
from coilal.data.listing import folders_in
from coilal.labelling.images import Images

LOOK_AT_FOLDER_S = 3.0
RETRY_S = 10.0
"""Seconds after which a folder that could not be read is read again: files may have been half copied."""
TICK_NS = 20_000_000
"""Files are stamped with a clock that lags behind by up to this: a tick of the system."""


class FolderWatch:
    """Says when a folder is to be read again, because files were added, removed, or overwritten.

    A file that is added or removed changes its folder, so that folders are looked at, however many images there
    are. One that is overwritten does not: of the images that were asked for, the files themselves are looked at.

    Args:
        images: as they were read.
        began: when reading began, in nanoseconds since 1970.
        asked: gives the ids of the images that were asked for.
    """

    def __init__(self, images: Images, began: int, asked: Callable[[], IntArray]) -> None:
        self._images, self._asked = images, asked
        self._stamps = None if images.stamps is None else images.stamps.copy()
        self._folders = [] if images.folder is None else folders_in(images.folder)
        self._seen = self._state_of_folders()
        self._looked_at, self._is_stale = time.monotonic(), False
        is_half_read = any(changed > began - TICK_NS for changed in self._seen.values())
        self._failed_at = self._looked_at if is_half_read else None

    def has_changed(self) -> bool:
        """Return whether the folder is to be read again; looks every few seconds, as keys wait meanwhile."""
        now = time.monotonic()
        if self._failed_at is not None and now - self._failed_at > RETRY_S:
            self._is_stale = True
        elif not self._is_stale and now - self._looked_at > LOOK_AT_FOLDER_S:
            self._is_stale = self._state_of_folders() != self._seen or self._are_overwritten()
            self._looked_at = time.monotonic()  # a slow disk does not hold up the keys all the time
        return self._is_stale

    def has_failed(self) -> None:
        """Note that the folder could not be read; it is read again when it changes, or after a while."""
        self._are_overwritten()
        self._seen, self._failed_at, self._is_stale = self._state_of_folders(), time.monotonic(), False

    def _state_of_folders(self) -> Mapping[Path, int]:
        """Return when each folder was changed last."""
        found = {}
        for place in self._folders:
            with suppress(OSError):  # it is gone
                found[place] = place.stat().st_mtime_ns
        return found

    def _are_overwritten(self) -> bool:
        """Return whether the file of an image that was asked for is another than at the last look."""
        if self._images.folder is None or self._stamps is None:
            return False
        ids = self._asked()
        try:
            now, _ = stamps(self._images.folder, [self._images.samples.names[number] for number in ids.tolist()])
        except OSError:  # the disk is away for a moment
            return False
        differ = bool((now != self._stamps[ids]).any())
        self._stamps[ids] = now
        return differ
