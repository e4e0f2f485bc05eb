"""What stored outputs of a backbone depend on; nowhere else is it said.

Every setting of ``model`` counts unless it stands here with the reason why not, so that a new one can serve nobody
the outputs of before. Imports nothing heavy: a launcher groups cells by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coilal.common.moved import first_path

TRAINING: Mapping[str, str] = {
    "head": "is trained on the outputs",
    "optimizer": "trains; what is stored comes from the initial weights",
    "batch_size": "of training; an image's outputs do not depend on the images beside it",
    "compile": "compiles the trained part, whose outputs are not stored",
}
"""Settings of ``model`` that do not change what is stored, and why."""

GPU_VERSION = 2
"""To be raised when the same settings give other outputs on a GPU. 2: convolutions are computed channels-last, and
BatchNorm is not folded; with bf16-mixed the weights are bfloat16, and features are pooled in float32."""

SOURCE: Mapping[str, str] = {
    "name": "of packaged weights, and for people",
    "hub": "where weights are fetched",
    "weights": "where they lie",
}
"""Settings that only say where the weights come from: once they are read their content counts."""


def of_settings(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of ``model`` that stored outputs depend on, as far as is known without the weights."""
    return {key: _as_stored(value) for key, value in model.items() if key not in TRAINING}


def of_backbone(model: Mapping[str, Any], weights: str, seed: int) -> dict[str, Any]:
    """Return what determines a backbone, its initial weights and where it is cut.

    Args:
        model: the settings of ``model``, plain values.
        weights: fingerprint of the weights, ``random`` for none.
        seed: of random weights; others do not depend on it.
    """
    counted = {key: value for key, value in of_settings(model).items() if key not in SOURCE}
    counted["trainable"] = str(counted["trainable"])  # 1 and "1" are the same cut
    return _beside({"weights": weights, "seed": seed if weights == "random" else None}, counted)


def of_outputs(
    model: Mapping[str, Any],
    weights: str,
    seed: int,
    device: str,
    precision: str,
    tf32: bool,
    reread: bool,
) -> dict[str, Any]:
    """Return what determines the outputs of a backbone's frozen part, besides the images.

    ``features.boundary.prefix_key`` adds the images, the view of them, the storage precision and the versions of
    the code.

    Args:
        model: the settings of ``model``, plain values.
        weights: fingerprint of the weights, ``random`` for none.
        seed: of random weights.
        device: type of the device that computes.
        precision: Lightning's name of the compute precision.
        tf32: whether float32 is rounded to TF32, which only a GPU does.
        reread: whether earlier versions computed other outputs with these weights; see ``Trunk.reread``.
    """
    backbone = of_backbone(model, weights, seed)
    if backbone["trainable"] != "head":
        del backbone["pooling"]  # of what training gives, not of what is stored
    computed: dict[str, Any] = {"precision": precision, "device": device}
    if device == "cuda":  # elsewhere it has no effect, and older files keep their key
        computed |= {"tf32": tf32, "gpu": GPU_VERSION}
    if reread:
        computed["reread"] = True
    return _beside(computed, backbone)


def _beside(facts: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return both; a setting with the name of a fact hides neither."""
    return {**facts, **{f"model.{key}" if key in facts else key: value for key, value in settings.items()}}


def _as_stored(value: Any) -> Any:
    """Return a setting with its classes by the names under which files were first stored."""
    if isinstance(value, Mapping):
        return {
            key: first_path(item) if key == "_target_" and isinstance(item, str) else _as_stored(item)
            for key, item in value.items()
        }
    return [_as_stored(item) for item in value] if isinstance(value, list) else value
