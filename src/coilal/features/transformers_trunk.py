"""DINOv2 and other vision transformers of the transformers library as a Trunk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor
from transformers import AutoConfig, AutoModel
from transformers.utils import logging

from coilal.common.types import UserError
from coilal.features.fitting import Fit, ensure_fit, without_prefix
from coilal.features.trunk import Trunk
from coilal.features.weights_file import WeightsFile, read

IMAGENET_MEAN: tuple[float, ...] = (0.485, 0.456, 0.406)
IMAGENET_STD: tuple[float, ...] = (0.229, 0.224, 0.225)


def build(config: Mapping[str, Any], weights: Path | None = None) -> Trunk:
    """Build a vision backbone of the transformers library.

    Args:
        config: ``model_type`` (for example dinov2) and the settings of its configuration class. What a folder in
            the hub's format says of them must be the same.
        weights: a folder in the hub's format (config.json and *.safetensors), or a file of weights; None for
            random weights.

    Raises:
        UserError: the weights do not fit, or the network has no list of blocks and no final norm.
    """
    mean, std = IMAGENET_MEAN, IMAGENET_STD
    configuration = _configuration(config)
    reread, told = False, ""
    if weights is None:
        net: Any = AutoModel.from_config(configuration)
    else:
        file = read(weights)
        if weights.is_dir():
            mean, std = _normalisation(weights, mean, std)
            configuration = _of_folder(weights, configuration, config)
        reread = not _is_float32(file, configuration)
        net, told = _loaded(file, configuration)
    net = net.float()  # how it computes is the trainer's precision, whatever the file's
    encoder = getattr(net, "encoder", None)
    blocks = list(getattr(encoder, "layer", getattr(encoder, "layers", ())))
    norm = getattr(net, "layernorm", None)

    def features(images: Tensor) -> Tensor:
        tokens: Tensor = net(pixel_values=images).last_hidden_state
        return tokens

    return Trunk(
        net=net,
        features=features,
        blocks=blocks if norm is not None else [],
        tail=[norm] if norm is not None else [],
        layout="NLC",
        prefix_tokens=1 + int(getattr(net.config, "num_register_tokens", 0)),
        patch=int(net.config.patch_size),
        mean=mean,
        std=std,
        reread=reread,
        told=told,
    )


def _configuration(config: Mapping[str, Any]) -> Any:
    settings = dict(config)
    model_type = settings.pop("model_type")
    try:
        known = AutoConfig.for_model(model_type).to_dict()
        unknown = [key for key in settings if key not in known]
        if unknown:
            raise UserError(f"model.trunk.config: {', '.join(unknown)} is no setting of {model_type}.")
        return AutoConfig.for_model(model_type, **settings)
    except (ValueError, TypeError, KeyError, StrictDataclassError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"model.trunk.config: the transformers library does not take it: {reason}") from error


def _of_folder(folder: Path, expected: Any, given: Mapping[str, Any]) -> Any:
    """Return the configuration of a folder in the hub's format, if it is that of the model that was asked for.

    The image size may differ: position embeddings are resampled.
    """
    if not (folder / "config.json").exists():
        raise UserError(
            f"model.weights={folder}: a folder in the hub's format holds config.json and *.safetensors."
        )
    try:
        found = AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, StrictDataclassError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{folder / 'config.json'} names no network that transformers knows: {reason}") from error
    there = found.to_dict()
    differing = [
        f"{key} is {there.get(key)} there and {value} in model.trunk.config"
        for key, value in given.items()
        if key != "image_size" and there.get(key) != value
    ]
    if found.model_type != expected.model_type or differing:
        raise UserError(
            f"model.weights={folder} holds another network: {'; '.join(differing)}. Choose the model that belongs "
            "to it, for example model=dino_s, or set model.trunk.config as config.json has it."
        )
    return found


def _loaded(file: WeightsFile, configuration: Any) -> tuple[Any, str]:
    """Return the network with the tensors of a file, all of them, and how they fit, in words.

    Raises:
        UserError: they do not fit it.
    """
    with torch.device("meta"):
        empty = AutoModel.from_config(configuration)
    needed = empty.state_dict()
    file = without_prefix(file, needed)
    # from_pretrained, not load_state_dict: it knows the older names of parameters that hub files use
    with _quiet():
        net, info = type(empty).from_pretrained(
            None,
            config=configuration,
            state_dict=dict(file.tensors),
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    misshapen = [
        f"{name} is {list(there)} in the file and {list(here)} in the network"
        for name, there, here in sorted(info["mismatched_keys"])
    ]
    fit = Fit(sorted(info["missing_keys"]), misshapen, sorted(info["unexpected_keys"]))
    return net, ensure_fit(file, fit, needed, f"the {configuration.model_type} of this model")


def _is_float32(file: WeightsFile, configuration: Any) -> bool:
    """Return whether the library computes in float32 if nobody asks for it."""
    kinds = {tensor.dtype for tensor in file.tensors.values() if tensor.is_floating_point()}
    return configuration.dtype == torch.float32 or (configuration.dtype is None and kinds <= {torch.float32})


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's report and progress bar of loading: what it reports is checked and said by us."""
    before = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        logging.enable_progress_bar()


def _normalisation(
    folder: Path, mean: tuple[float, ...], std: tuple[float, ...]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    path = folder / "preprocessor_config.json"
    if not path.exists():
        return mean, std
    settings = json.loads(path.read_text(encoding="utf-8"))
    return tuple(settings.get("image_mean", mean)), tuple(settings.get("image_std", std))
