"""What training and scoring read: outputs of the backbone's frozen part, and what standardises them."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from coilal.active.features import Features
from coilal.common.array_store import seconds_waited
from coilal.common.device_memory import free_memory
from coilal.common.machine import cache_folder
from coilal.common.types import IntArray
from coilal.features import key
from coilal.features.augment import Augmentation
from coilal.features.boundary import CacheSettings, Prefix, are_stored, boundary_outputs
from coilal.fit.measure import seconds
from coilal.fit.rows import Rows, rows_of
from coilal.fit.scoring import at_once, evaluating, infer
from coilal.fit.standardise import Inputs, Statistics, standardised
from coilal.runs import shared
from coilal.runs.backbones import built_for
from coilal.runs.experiment import Experiment
from coilal.runs.precision import frozen_weights, words
from coilal.runs.progress import RunProgress
from coilal.runs.settings import Settings

log = logging.getLogger(__name__)

STATISTICS_IMAGES = 2048  # unlabelled images whose features standardise the head's inputs


def ensure_backbone(experiment: Experiment) -> None:
    """Load the backbone now if it will be needed, so that what is wrong with it is said before anything is written.

    Where the head alone is trained and the features are stored, nobody needs it, nor its library.
    """
    images, augmentation = experiment.prepared.images, _augmentation(experiment)
    if not experiment.settings.model.trains_the_head_alone or not are_stored(
        prefix(experiment), images, cache_settings(experiment), augmentation
    ):
        experiment.load_backbone()


def training_inputs(experiment: Experiment, progress: RunProgress) -> tuple[Inputs, float]:
    """Return what training and scoring read, and the seconds that took, waiting for others left out.

    Runs of one process with equal inputs read them once.
    """
    settings, device = experiment.settings, experiment.device
    how = words(experiment.precision, settings.tf32, device)
    source = settings.hparams.source
    log.info("device: %s, %s; weights %s, hyperparameters %s", device, how, experiment.weights, source)
    pool = experiment.prepared.split.pool
    some = pool[:: max(1, len(pool) // STATISTICS_IMAGES)]
    determined_by = {
        **built_for(settings, experiment.weights),
        "outputs": outputs_key(experiment),
        "images": experiment.prepared.images.fingerprint,
        "statistics": hashlib.sha256(some.tobytes()).hexdigest(),
        "cache": asdict(settings.cache),
        "augmentation": asdict(settings.augmentation),
    }
    progress.phase("extract")
    start, waited = seconds(device), seconds_waited()
    inputs = shared.INPUTS.get(determined_by, lambda: _read(experiment, some, progress))
    return inputs, seconds(device) - start - (seconds_waited() - waited)


def initial_features(experiment: Experiment, inputs: Inputs, ids: IntArray) -> Features:
    """Return the standardised features (n, D) of some images before anything is trained."""
    if inputs.rows.are_features:
        return inputs.features(ids)
    features = _through_suffix(experiment, inputs.rows, ids).numpy()
    return inputs.statistics.features(features, np.arange(len(ids)))


def prefix(experiment: Experiment) -> Prefix:
    """Return the frozen part of the backbone, and what its outputs depend on."""
    return Prefix(outputs_key(experiment), experiment.settings.model.trainable, experiment.load_backbone)


class Computed(Protocol):
    """What outputs of a backbone depend on, whoever computes them."""

    @property
    def settings(self) -> Settings:
        """Return the settings of the run."""
        ...

    @property
    def weights(self) -> str:
        """Return the fingerprint of the weights."""
        ...

    @property
    def device(self) -> torch.device:
        """Return where is computed."""
        ...

    @property
    def precision(self) -> str:
        """Return Lightning's own name of the precision."""
        ...

    @property
    def reread(self) -> bool:
        """Return whether earlier versions computed other features with these weights."""
        ...


def outputs_key(computed: Computed) -> dict[str, Any]:
    """Return what determines the outputs of the frozen part, besides the images."""
    settings = computed.settings
    return key.of_outputs(
        settings.model.given,
        computed.weights,
        settings.seeds.train,
        computed.device.type,
        computed.precision,
        settings.tf32,
        computed.reread,
    )


def cache_settings(computed: Computed) -> CacheSettings:
    """Return where and how outputs are kept."""
    cache = computed.settings.cache
    precision = cache.precision
    if precision == "auto" and computed.precision == "32-true":
        precision = "float32"  # the same files as for who asks for it
    return CacheSettings(cache_folder(cache.dir), precision, cache.max_gb, cache.memory_gb)


def _augmentation(experiment: Experiment) -> Augmentation:
    return Augmentation(**asdict(experiment.settings.augmentation))


def _read(experiment: Experiment, some: IntArray, progress: RunProgress) -> Inputs:
    """Return the inputs, standardised by the features of some images (their ids)."""
    model, precision = experiment.settings.model, experiment.trainer.precision_plugin.forward_context
    boundary = boundary_outputs(
        prefix(experiment),
        experiment.prepared.images,
        cache_settings(experiment),
        experiment.device,
        precision,
        _augmentation(experiment),
        lambda done, total: progress.phase(f"extract {done}/{total}"),
        frozen_weights(experiment.precision, experiment.device),
    )
    if model.trains_the_head_alone:
        features = rows_of(boundary, some)
    else:
        features = _through_suffix(experiment, Rows(boundary, experiment.device, memory=0), some)
    memory = free_memory(experiment.device) // 2 if experiment.device.type == "cuda" else 0
    return standardised(boundary, Statistics.of(features), experiment.device, memory)


def _through_suffix(experiment: Experiment, rows: Rows, ids: IntArray) -> Tensor:
    """Return the features (n, D) of some images, by the trained part of the backbone under its initial weights."""
    backbone = experiment.load_backbone().to(experiment.device)
    precision = experiment.trainer.precision_plugin.forward_context
    with evaluating(backbone):
        return infer(backbone.suffix, rows, ids, at_once(rows), precision)
