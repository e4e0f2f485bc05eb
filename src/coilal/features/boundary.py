"""Outputs of a frozen prefix, computed once per data set and backbone and kept on disk."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import platform
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from coilal.common.array_store import (
    Content,
    Target,
    ensure_room_for_all,
    in_turn,
    open_or_build,
    open_or_extend,
    open_stored,
)
from coilal.common.long_work import LongWork
from coilal.common.threads import all_threads, cores_are_shared
from coilal.common.types import DecodedImages, ImageArray, IntArray, UserError
from coilal.features.as_float32 import readable
from coilal.features.augment import AUGMENT_VERSION, Augmentation, AugmentedEpochs, AugmentedImages, Views
from coilal.features.backbone import Backbone
from coilal.features.computation import Computation, Precision, tried
from coilal.features.extract import Extraction, first_images, kind_of_outputs

log = logging.getLogger(__name__)

PREFIX_VERSION = 3  # to be raised when the same settings give other outputs
_LIBRARIES = ("pillow", "timm", "torchvision", "transformers")  # that compute; torch is asked itself

Report = Callable[[int, int], None]
StoragePrecision = Literal["auto", "float32", "float16"]


@dataclass(frozen=True)
class CacheSettings:
    """Where and how outputs are kept.

    Attributes:
        folder: the cache folder, shared by all runs.
        precision: of the stored values. ``auto`` is float16 where outputs come in half precision (it holds every
            bfloat16 of its range exactly, so bfloat16 is not offered), else float32: rounding to float16
            changes what is chosen (conf/train.yaml says how often). With weights in bfloat16 (on a GPU) activations
            come in half precision, features in float32. Under autocast, convolutional networks with BatchNorm give
            half precision; DINOv2, ViT and ConvNeXt end in a LayerNorm, that is in float32.
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


@dataclass(frozen=True)
class Prefix:
    """A frozen prefix: what its outputs depend on, and the network for when they are not stored yet.

    Attributes:
        identity: everything besides the images that determines the outputs; see ``features.key.of_outputs``.
        trainable: where the network is cut; see ``Backbone``.
        load: gives the cut network, in eval mode. Called at most once, and not at all where all is stored.
    """

    identity: Mapping[str, Any]
    trainable: str | int
    load: Callable[[], Backbone]


def are_stored(
    prefix: Prefix, images: DecodedImages, cache: CacheSettings, augmentation: Augmentation | None = None
) -> bool:
    """Return whether ``boundary_outputs`` will find a file for all it is asked for, sound or damaged."""
    return all(wanted.file.exists() for wanted in _wanted(prefix, images, cache, augmentation))


def boundary_outputs(
    prefix: Prefix,
    images: DecodedImages,
    cache: CacheSettings,
    device: torch.device,
    precision: Precision,
    augmentation: Augmentation | None = None,
    report: Report | None = None,
    weights: torch.dtype | None = None,
) -> ImageArray:
    """Return the outputs of the backbone's prefix for every image, row i for id i.

    With everything trainable these are the decoded images themselves. Otherwise they are float32, computed
    once and shared by all runs for which everything in ``prefix_key`` is the same.

    With augmentation, what is returned has a method ``epoch(seed)`` that gives what an epoch of training
    sees; indexed, it gives the images as they are, for inference.

    Args:
        prefix: what computes them.
        images: uint8 (N, C, H, W).
        cache: where and how to keep the outputs.
        device: where to compute.
        precision: context in which the network runs (autocast).
        augmentation: views to train on, None or 0 views for none.
        report: called with the images that are done and their number.
        weights: type of the weights, with which the network runs without ``precision``; None for float32. See
            ``Computation``.

    Raises:
        UserError: the outputs cannot be stored.
    """
    views = augmentation.views if augmentation else 0
    if prefix.trainable == "all":
        return AugmentedEpochs(images.pixels, augmentation) if augmentation and views else images.pixels

    @functools.cache
    def extraction() -> Extraction:
        backbone = prefix.load().to(device)
        first = first_images(images.pixels, 1, device)
        outputs, computation = tried(backbone, first, Computation(device, precision, weights))
        return Extraction(backbone, computation, tuple(outputs.shape[1:]), cache.dtype(outputs.dtype))

    wanted = _wanted(prefix, images, cache, augmentation)
    if len(wanted) > 1 and not are_stored(prefix, images, cache, augmentation):
        ensure_room_for_all([_target(each, extraction()) for each in wanted], cache.max_gb)
    arrays = [_open(each, prefix.trainable, extraction, cache.max_gb, report) for each in wanted]
    readables = [readable(array, cache.memory_gb / len(arrays)) for array in arrays]
    return Views(readables[0], readables[1:]) if views else readables[0]


def prefix_key(prefix: Prefix, fingerprint: str, stored: StoragePrecision, view: Mapping[str, Any] | None) -> str:
    """Return a digest of everything that determines the stored outputs, known without loading the network.

    Args:
        prefix: what computes them.
        fingerprint: digest of the images' content, order and format.
        stored: the setting of the storage precision; the compute precision settles what ``auto`` is.
        view: what determines the augmented view, None for the images as they are.
    """
    everything = {
        "settings": dict(prefix.identity),
        "images": fingerprint,
        "view": view,
        "boundary": str(prefix.trainable),
        "stored": stored,
        "code": [PREFIX_VERSION, torch.__version__, *map(version, _LIBRARIES)],
    }
    text = json.dumps(everything, sort_keys=True, default=os.fspath)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _view(augmentation: Augmentation, number: int) -> dict[str, Any]:
    """Return what determines a view; not how many there are, so that more of them keep those that exist."""
    settings = {name: value for name, value in asdict(augmentation).items() if name != "views"}
    return {**settings, "number": number, "version": AUGMENT_VERSION}


class _Wanted(NamedTuple):
    """Outputs that are wanted.

    Attributes:
        file: where they are stored.
        pixels: the images, or a view of them.
        content: what determines the outputs of each; None where nothing is known of single images, and for views,
            which depend on the place of an image.
    """

    file: Path
    pixels: ImageArray
    content: Content | None


def _wanted(
    prefix: Prefix, images: DecodedImages, cache: CacheSettings, augmentation: Augmentation | None
) -> list[_Wanted]:
    """Return the images as they are, then each augmented view."""

    def key(fingerprint: str, view: Mapping[str, Any] | None) -> str:
        return prefix_key(prefix, fingerprint, cache.precision, view)

    def file(view: Mapping[str, Any] | None) -> Path:
        return cache.folder / "features" / f"{key(images.fingerprint, view)}.npy"

    content = Content(key(images.format, None), lambda: images.digests) if images.format else None
    wanted = [_Wanted(file(None), images.pixels, content)]
    if augmentation:
        for number in range(1, 1 + augmentation.views):
            pixels = AugmentedImages(images.pixels, augmentation, number)
            wanted.append(_Wanted(file(_view(augmentation, number)), pixels, None))
    return wanted


def _open(
    wanted: _Wanted,
    trainable: str | int,
    extraction: Callable[[], Extraction],
    max_gb: float | None,
    report: Report | None,
) -> NDArray[Any]:
    file, pixels, content = wanted
    progress = _Progress(kind_of_outputs(trainable), len(pixels), report)

    def rows(ids: IntArray) -> Generator[NDArray[Any]]:
        with _turn(file.parent, extraction().computation.device), all_threads():
            progress.begin(len(pixels) - len(ids))
            for block in extraction().blocks(pixels, ids):
                progress.done(len(block))
                yield block

    array = open_stored(file)
    if array is None:
        array = _made(_target(wanted, extraction()), content, rows, max_gb)
    log.info("%s; %.1f MB in the cache, %s", progress.summary(), array.nbytes / 1e6, array.dtype)
    return array


def _made(
    target: Target,
    content: Content | None,
    rows: Callable[[IntArray], Generator[NDArray[Any]]],
    max_gb: float | None,
) -> NDArray[Any]:
    if content is not None:
        return open_or_extend(target, content, rows, max_gb)
    ids = np.arange(target.shape[0])
    return open_or_build(target, lambda start: rows(ids[start:]), max_gb)


def _target(wanted: _Wanted, extraction: Extraction) -> Target:
    backbone, images = extraction.backbone, len(wanted.pixels)
    network, trainable = type(backbone.net).__name__, backbone.trainable
    return Target(
        wanted.file,
        (images, *extraction.shape),
        np.dtype(str(extraction.dtype).removeprefix("torch.")),
        f"{kind_of_outputs(trainable)} of {network}, trainable={trainable}, {images} images",
    )


def _turn(folder: Path, device: torch.device) -> AbstractContextManager[None]:
    """Return when no other process that shares these cores extracts: each would take all of them."""
    if device.type != "cpu" or not cores_are_shared():
        return nullcontext()
    return in_turn(folder / f"cores-of-{platform.node()}.lock", "the cores are extracting for another backbone")


class _Progress:
    """Tells how far an extraction is: to a display at every batch, to the log every half minute."""

    work: LongWork

    def __init__(self, what: str, total: int, report: Report | None) -> None:
        self.what, self.total, self.report = what, total, report
        self.start: int | None = None

    def begin(self, start: int) -> None:
        self.start = start
        self.work = LongWork(f"extracting {self.what}", self.total, start)

    def done(self, images: int) -> None:
        self.work.done(images)
        if self.report is not None:
            self.report(self.work.finished, self.total)

    def summary(self) -> str:
        if self.start is None:
            return f"{self.what} of {self.total} images were in the cache"
        seconds = time.monotonic() - self.work.began
        images = self.work.finished - self.start
        return f"extracted {self.what} of {images} images in {seconds:.1f} s ({self.work.rate():.0f} images/s)"
