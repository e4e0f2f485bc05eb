"""DINOv2 and other vision transformers of the transformers library as a Trunk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoConfig, AutoModel

from coilal.models.trunk import Trunk
from coilal.types import UserError

IMAGENET_MEAN: tuple[float, ...] = (0.485, 0.456, 0.406)
IMAGENET_STD: tuple[float, ...] = (0.229, 0.224, 0.225)


def build(config: Mapping[str, Any], weights: Path | None = None) -> Trunk:
    """Build a vision backbone of the transformers library.

    Args:
        config: ``model_type`` (for example dinov2) and the settings of its configuration class; used
            for random weights, and to build the network around a single weights file.
        weights: a folder in the hub's format (config.json and *.safetensors), or a .safetensors file;
            None for random weights.

    Raises:
        UserError: the weights do not fit, or the network has no list of blocks and no final norm.
    """
    settings = dict(config)
    model_type = settings.pop("model_type")
    mean, std = IMAGENET_MEAN, IMAGENET_STD
    if weights is not None and weights.is_dir():
        net = _from_folder(weights)
        mean, std = _normalisation(weights, mean, std)
    else:
        configuration = AutoConfig.for_model(model_type, **settings)
        net = _from_file(weights, configuration) if weights else AutoModel.from_config(configuration)
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
    )


def _from_folder(folder: Path) -> Any:
    if not (folder / "config.json").exists() or not any(folder.glob("*.safetensors")):
        raise UserError(
            f"model.weights={folder}: a folder in the hub's format holds config.json and *.safetensors."
        )
    return _complete(folder, AutoModel.from_pretrained(folder, local_files_only=True, output_loading_info=True))


def _from_file(file: Path, config: Any) -> Any:
    if file.suffix != ".safetensors":
        raise UserError(f"model.weights={file}: give a .safetensors file or a folder in the hub's format.")
    # from_pretrained, not load_state_dict: it knows the older names of parameters that hub files use
    network = AutoModel.from_config(config).__class__
    loaded = network.from_pretrained(None, config=config, state_dict=load_file(file), output_loading_info=True)
    return _complete(file, loaded)


def _complete(source: Path, loaded: tuple[Any, Mapping[str, Any]]) -> Any:
    net, info = loaded
    wrong = [str(key) for kind in ("missing_keys", "mismatched_keys") for key in info[kind]]
    if wrong:
        raise UserError(
            f"the weights in {source} do not fit the network of this model: {', '.join(sorted(wrong)[:5])} "
            f"({len(wrong)} in all) are missing or have another shape."
        )
    return net


def _normalisation(
    folder: Path, mean: tuple[float, ...], std: tuple[float, ...]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    path = folder / "preprocessor_config.json"
    if not path.exists():
        return mean, std
    settings = json.loads(path.read_text(encoding="utf-8"))
    return tuple(settings.get("image_mean", mean)), tuple(settings.get("image_std", std))
