"""Which grey levels the stored images use: a line of text, and a warning where few are left."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from coilal.common.types import ImageArray

log = logging.getLogger(__name__)

FEW_LEVELS = 32
"""With fewer grey levels than this in a whole set, the range of the values is most likely a wrong one."""

_BARS = " ▁▂▃▄▅▆▇█"
_BINS = 32
_MOST = 1000  # images that are looked at, spread over the set


def level_counts(pixels: ImageArray) -> tuple[NDArray[np.int64], int]:
    """Return how many pixels have each of the 256 levels (256), and how many images were looked at.

    Args:
        pixels: uint8 (N, C, H, W); of many images some are looked at, evenly spread.
    """
    ids = np.unique(np.linspace(0, len(pixels) - 1, min(_MOST, len(pixels))).round().astype(int))
    counts = np.zeros(256, dtype=np.int64)
    for i in ids.tolist():
        counts += np.bincount(np.asarray(pixels[i]).reshape(-1), minlength=256)
    return counts, len(ids)


def as_text(counts: NDArray[np.int64]) -> str:
    """Return counts of the 256 levels as a line of bars from black to white; a bin that is used is never blank."""
    bins = counts.reshape(_BINS, -1).sum(1)
    heights = np.ceil(bins / max(bins.max(), 1) * (len(_BARS) - 1)).astype(int)
    return "".join(_BARS[height] for height in heights)


def describe_levels(pixels: ImageArray) -> None:
    """Log the histogram of the stored images; warn where fewer than 32 levels are left."""
    counts, images = level_counts(pixels)
    used = int(np.count_nonzero(counts))
    log.info(
        "grey levels of %d stored images: 0 |%s| 255, %d of 256 levels are used", images, as_text(counts), used
    )
    if used < FEW_LEVELS:
        log.warning(
            "the stored images use %d of 256 grey levels: what differs by less is lost. Look at data.image.range, "
            "at the files themselves, and at a sheet of what is stored: sheet=FILE.png",
            used,
        )
