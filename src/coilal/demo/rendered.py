"""Data source of rendered wound-coil images, with the label proportions of the real table."""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import time
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from joblib import cpu_count
from numpy.typing import NDArray
from PIL import Image

from coilal.common.array_store import Target, open_or_build
from coilal.common.long_work import LongWork
from coilal.common.signals import in_pool_process, pool_of_processes
from coilal.common.types import DecodedImages, ImageFormat, Samples, joined
from coilal.data.decode import DECODE_VERSION, fit_image
from coilal.data.in_order import at_a_time, in_order
from coilal.demo.renderer import (
    BOBBINS,
    COMBINATIONS,
    KINDS,
    LIGHTINGS,
    RENDERER_VERSION,
    Catalogue,
    catalogue,
    codes_of,
    photographs,
)

log = logging.getLogger(__name__)

CLASS_NAMES = tuple(joined(KINDS, row) for row in COMBINATIONS.tolist())

_FEW = 256
"""Up to so many images are rendered in this process: starting workers would take longer."""
_CHUNK = 32  # images that a process renders at a time


class RenderedCoils:
    """Rendered coils: the same images for the same settings on every machine.

    Args:
        coils: number of coils, 1 … 999.
        images_per_coil: a multiple of 4, 4 … 960: whole turns of four views spread over the winding.
        seed: 0 or more; decides winding, faults, camera and noise.
        bobbins: types of bobbin that there are: 1, or up to 3, as many coils of each.
        lightings: the same of lightings.

    Raises:
        UserError: settings that cannot be had.
    """

    def __init__(
        self, coils: int = 40, images_per_coil: int = 32, seed: int = 0, bobbins: int = 1, lightings: int = 1
    ) -> None:
        self._settings = {"coils": int(coils), "images_per_coil": int(images_per_coil), "seed": int(seed)}
        kinds = {"bobbins": int(bobbins), "lightings": int(lightings)}
        self._settings |= {name: number for name, number in kinds.items() if number != 1}
        self._catalogue = catalogue(**self._settings)

    @property
    def data_set(self) -> Mapping[str, Any]:
        """The settings, which are all there is."""
        return self._settings

    def read(self) -> Samples:
        """Return names, coils, the three labels and the eight classes that are their combinations."""
        return Samples(
            names=self._catalogue.names,
            groups=tuple(name.split("_")[0] for name in self._catalogue.names),
            labels=self._catalogue.labels,
            label_names=KINDS,
            classes=codes_of(self._catalogue.labels),
            class_names=CLASS_NAMES,
            class_labels=COMBINATIONS,
            good_class=0,
            attributes=self._attributes(),
        )

    def _attributes(self) -> Mapping[str, tuple[str, ...]]:
        """Return the type of bobbin and the light of each image."""
        kinds = [self._catalogue.kinds[coil] for coil in self._catalogue.coils.tolist()]
        return {
            "bobbin": tuple(BOBBINS[kind.bobbin] for kind in kinds),
            "lighting": tuple(LIGHTINGS[kind.lighting] for kind in kinds),
        }

    def decode(
        self, samples: Samples, image: ImageFormat, cache: Path, max_gb: float | None = None
    ) -> DecodedImages:
        """Return the images in the given format, rendered now unless the cache has them.

        Args:
            samples: what ``read`` returned, or a part of it in any order.
            image: size, fit and mode.
            cache: the cache folder.
            max_gb: most gigabytes that the whole cache may take; None for what the disk holds.
        """
        position = {name: place for place, name in enumerate(self._catalogue.names)}
        ids = [position[name] for name in samples.names]
        fingerprint = self._fingerprint(samples, image)
        file = cache / "images" / f"{fingerprint}.pillow-{PIL.__version__}.npy"

        def rows(start: int) -> Generator[NDArray[np.uint8]]:
            began = time.perf_counter()
            work = LongWork("rendering", len(ids), start)
            for block in _render(self._settings, self._catalogue, ids[start:], image):
                work.done(len(block))
                yield block
            log.info("rendered %d images in %.1f s", len(ids) - start, time.perf_counter() - began)

        shape, about = (len(ids), image.channels, *image.size), f"{len(ids)} rendered images"
        target = Target(file, shape, np.dtype(np.uint8), about)
        return DecodedImages(open_or_build(target, rows, max_gb), fingerprint, self._digests(samples))

    def _digests(self, samples: Samples) -> NDArray[np.uint64]:
        """Return a hash of what determines each image, at full size."""
        texts = (json.dumps([RENDERER_VERSION, self._settings, name], sort_keys=True) for name in samples.names)
        hashes = [hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts]
        return np.frombuffer(b"".join(hashes), dtype="<u8")

    def _fingerprint(self, samples: Samples, image: ImageFormat) -> str:
        content = [
            RENDERER_VERSION,
            DECODE_VERSION,
            self._settings,
            [list(image.size), image.fit, image.mode],
            list(samples.names),
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _render(
    settings: dict[str, int], known: Catalogue, ids: list[int], image: ImageFormat
) -> Iterator[NDArray[np.uint8]]:
    """Yield the images, a few at a time."""
    together = at_a_time(_CHUNK, image.channels * image.size[0] * image.size[1])
    chunks = [ids[first : first + together] for first in range(0, len(ids), together)]
    workers = min(cpu_count(), len(chunks))
    if len(ids) <= _FEW or workers < 2:
        for chunk in chunks:
            yield _rows(known, chunk, image)
        return
    context = multiprocessing.get_context("spawn")  # a fork is unsafe beside the threads of torch
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(settings,))
    with pool_of_processes(pool):
        yield from in_order(pool, partial(_worker_rows, image), chunks, ahead=2 * workers)


def _rows(known: Catalogue, ids: list[int], image: ImageFormat) -> NDArray[np.uint8]:
    return np.stack([fit_image(Image.fromarray(photo), image) for photo in photographs(known, ids)])


_worker_catalogue: Catalogue | None = None


def _start_worker(settings: dict[str, int]) -> None:
    in_pool_process()
    global _worker_catalogue  # a process-pool initializer has no other place to leave its result
    _worker_catalogue = catalogue(**settings)


def _worker_rows(image: ImageFormat, ids: list[int]) -> NDArray[np.uint8]:
    assert _worker_catalogue is not None
    return _rows(_worker_catalogue, ids, image)
