"""The map of a study's pool: where each image lies among the others, in two dimensions."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coilal.common.unreadable import UNREADABLE
from coilal.run_directory.files import write_atomically


@dataclass(frozen=True)
class PoolMap:
    """Images of the pool in the plane.

    Attributes:
        images: names (n).
        places: float32 (n, 2), the two main directions of their features.
        share: of the variance of the features that these directions hold.
    """

    images: Sequence[str]
    places: NDArray[np.float32]
    share: float

    def write(self, path: Path) -> None:
        """Write the map; whole or not at all."""
        content = io.BytesIO()
        names = np.frombuffer("\n".join(self.images).encode(), dtype=np.uint8)
        np.savez_compressed(content, images=names, places=self.places, share=self.share)
        write_atomically(path, content.getvalue())


def read_map(path: Path) -> PoolMap | None:
    """Return a map; None where there is none, or it cannot be read: it is a picture, and no result rests on it."""
    try:
        with np.load(path) as stored:
            images, places, share = stored["images"], stored["places"], stored["share"]
        names = images.tobytes().decode().split("\n")
    except UNREADABLE:
        return None
    return PoolMap(names, places, float(share)) if len(names) == len(places) else None
