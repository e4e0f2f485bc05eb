"""Outputs of a frozen prefix, computed once per data set and backbone and kept on disk."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from numpy.typing import NDArray

from coilal.array_store import in_turn, open_or_build_rows
from coilal.models.augment import AUGMENT_VERSION, Augmentation, AugmentedEpochs, AugmentedImages, Views
from coilal.models.backbone import Backbone
from coilal.models.extract import Extraction, Precision, probe
from coilal.models.stored import readable
from coilal.threads import all_threads, cores_are_shared
from coilal.types import DecodedImages, ImageArray, UserError

log = logging.getLogger(__name__)

PREFIX_VERSION = 2  # to be raised when the same settings give other outputs
_REPORT_S = 30.0

Report = Callable[[int, int], None]
StoragePrecision = Literal["auto", "float32", "float16"]


@dataclass(frozen=True)
class CacheSettings:
    """Where and how outputs are kept.

    Attributes:
        folder: the cache folder, shared by all runs.
        precision: of the stored values. ``auto`` is float16 where the network itself computes in half precision
            (it holds every bfloat16 of its range exactly, so bfloat16 is not offered), else float32: rounded to
            float16, 15 of 143 batches of 16 queries differed, most of them in one image.
        max_gb: most gigabytes that the whole cache may take; None for what the disk holds.
        memory_gb: outputs up to this size, as float32, are read into memory; larger ones are mapped.
    """

    folder: Path
    precision: StoragePrecision = "auto"
    max_gb: float | None = None
    memory_gb: float = 4.0

    def __post_init__(self) -> None:
        """Refuse unknown precisions."""
        if self.precision not in get_args(StoragePrecision):
            choices = ", ".join(get_args(StoragePrecision))
            raise UserError(f"cache.precision={self.precision}: choose one of {choices}.")

    def dtype(self, computed: torch.dtype) -> torch.dtype:
        """Return the type of the stored values for outputs of type ``computed``."""
        if self.precision == "auto":
            return torch.float16 if computed in (torch.bfloat16, torch.float16) else torch.float32
        return torch.float32 if self.precision == "float32" else torch.float16


def boundary_outputs(
    backbone: Backbone,
    images: DecodedImages,
    identity: dict[str, Any],
    cache: CacheSettings,
    device: torch.device,
    precision: Precision,
    augmentation: Augmentation | None = None,
    report: Report | None = None,
) -> ImageArray:
    """Return the outputs of the backbone's prefix for every image, row i for id i.

    With everything trainable these are the decoded images themselves. Otherwise they are float32, computed
    once and shared by all runs for which everything in ``prefix_key`` is the same.

    With augmentation, what is returned has a method ``epoch(seed)`` that gives what an epoch of training
    sees; indexed, it gives the images as they are, for inference.

    Args:
        backbone: the cut network, in eval mode.
        images: uint8 (N, C, H, W).
        identity: what determines the prefix besides the backbone itself: architecture, weights, compute precision.
        cache: where and how to keep the outputs.
        device: where to compute.
        precision: context in which the network runs (autocast).
        augmentation: views to train on, None or 0 views for none.
        report: called with the images that are done and their number.

    Raises:
        UserError: the outputs cannot be stored.
    """
    backbone.to(device)
    backbone.to(memory_format=torch.channels_last)  # faster convolutions; other weights stay as they are
    views = augmentation.views if augmentation else 0
    if backbone.trainable == "all":
        return AugmentedEpochs(images.pixels, augmentation) if augmentation and views else images.pixels
    one = probe(backbone, images.pixels, device, precision)
    extraction = Extraction(backbone, device, precision, cache.dtype(one.dtype))
    arrays = []
    for view in range(1 + views):
        pixels = AugmentedImages(images.pixels, augmentation, view) if augmentation and view else images.pixels
        seen = {**identity, "view": _view(augmentation, view)} if augmentation and view else identity
        key = prefix_key(extraction, images.fingerprint, seen)
        arrays.append(_open(extraction, pixels, tuple(one.shape[1:]), cache, key, report))
    readables = [readable(array, cache.memory_gb / len(arrays)) for array in arrays]
    return Views(readables[0], readables[1:]) if views else readables[0]


def prefix_key(extraction: Extraction, fingerprint: str, identity: dict[str, Any]) -> str:
    """Return a digest of everything that determines the stored outputs.

    Args:
        extraction: gives boundary, pooling, normalisation, storage precision and the library that computes.
        fingerprint: digest of the images' content, order and format.
        identity: architecture, weights, compute precision, view.
    """
    backbone = extraction.backbone
    library = type(backbone.net).__module__.split(".")[0]
    everything = {
        "settings": identity,
        "images": fingerprint,
        "boundary": [str(backbone.trainable), backbone.pooling],
        "normalisation": [backbone.mean.flatten().tolist(), backbone.std.flatten().tolist()],
        "stored": str(extraction.dtype),
        "code": [PREFIX_VERSION, torch.__version__, library, version(library)],
    }
    text = json.dumps(everything, sort_keys=True, default=os.fspath)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _view(augmentation: Augmentation, number: int) -> dict[str, Any]:
    """Return what determines a view; not how many there are, so that more of them keep those that exist."""
    settings = {name: value for name, value in asdict(augmentation).items() if name != "views"}
    return {**settings, "number": number, "version": AUGMENT_VERSION}


def _open(
    extraction: Extraction,
    pixels: ImageArray,
    shape: tuple[int, ...],
    cache: CacheSettings,
    key: str,
    report: Report | None,
) -> NDArray[Any]:
    backbone = extraction.backbone
    what = "features" if backbone.trainable == "head" else "activations"
    count = len(pixels)
    progress = _Progress(what, count, report)

    folder = cache.folder / "features"

    def rows(start: int) -> Generator[NDArray[Any]]:
        with _turn(folder, extraction.device), all_threads():
            progress.begin(start)
            for block in extraction.blocks(pixels, start):
                progress.done(len(block))
                yield block

    array = open_or_build_rows(
        folder / f"{key}.npy",
        (count, *shape),
        str(extraction.dtype).removeprefix("torch."),
        rows,
        f"{what} of {type(backbone.net).__name__}, trainable={backbone.trainable}, {count} images",
        cache.max_gb,
    )
    log.info("%s; %.1f MB in the cache, %s", progress.summary(), array.nbytes / 1e6, array.dtype)
    return array


def _turn(folder: Path, device: torch.device) -> AbstractContextManager[None]:
    """Return when no other process that shares these cores extracts: each would take all of them."""
    if device.type != "cpu" or not cores_are_shared():
        return nullcontext()
    return in_turn(folder / f"cores-of-{platform.node()}.lock", "the cores are extracting for another backbone")


class _Progress:
    """Tells how far an extraction is: to a display at every batch, to the log every half minute."""

    def __init__(self, what: str, total: int, report: Report | None) -> None:
        self.what, self.total, self.report = what, total, report
        self.start: int | None = None

    def begin(self, start: int) -> None:
        self.start = self.finished = start
        self.began = self.said = time.monotonic()

    def done(self, images: int) -> None:
        self.finished += images
        if self.report is not None:
            self.report(self.finished, self.total)
        if time.monotonic() - self.said >= _REPORT_S:
            self.said = time.monotonic()
            log.info(
                "extracting %s: %d of %d images, %.0f a second", self.what, self.finished, self.total, self._rate()
            )

    def summary(self) -> str:
        if self.start is None:
            return f"{self.what} of {self.total} images were in the cache"
        seconds = time.monotonic() - self.began
        images = self.finished - self.start
        return f"extracted {self.what} of {images} images in {seconds:.1f} s ({self._rate():.0f} images/s)"

    def _rate(self) -> float:
        assert self.start is not None
        return (self.finished - self.start) / max(time.monotonic() - self.began, 1e-9)
