"""Any timm architecture as a Trunk."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from coilal.lean_imports import as_if_missing
from coilal.models.trunk import Layout, Trunk
from coilal.types import UserError

with as_if_missing("wandb"):
    import timm
    from timm.layers import to_2tuple

STAGES = re.compile(r"(layer|stage|s)_?\d+")  # ResNets, RegNets
BLOCK_LISTS = ("blocks", "stages", "layers")
HEAD_PARTS = ("global_pool", "attn_pool", "fc_norm", "head_drop", "head", "classifier", "fc")


def build(architecture: str, arguments: Mapping[str, Any] | None = None, weights: Path | None = None) -> Trunk:
    """Build a timm network without classifier.

    Args:
        architecture: a name of ``timm.list_models()``.
        arguments: further arguments of ``timm.create_model``, for example ``pad_type: same``.
        weights: a .safetensors or .pth file in timm's format, or a folder that holds one; None for
            random weights.

    Raises:
        UserError: unknown architecture, or weights that do not fit it.
    """
    if not timm.is_model(architecture):
        near = timm.list_models(f"*{architecture.split('.')[0].split('_')[0]}*")[:8]
        raise UserError(f"timm has no architecture '{architecture}'. Near: {', '.join(near) or 'none'}.")
    options: dict[str, Any] = {**(arguments or {}), "num_classes": 0}
    if weights is not None:
        overlay = {**options.get("pretrained_cfg_overlay", {}), "file": str(_file(weights)), "hf_hub_id": None}
        options |= {"pretrained": True, "pretrained_cfg_overlay": overlay}
    if "img_size" not in options and _accepts_any_size(architecture):
        options["dynamic_img_size"] = True
    try:
        net = timm.create_model(architecture, **options)
    except TypeError as error:
        raise UserError(f"model.trunk.arguments: timm's '{architecture}' does not take them: {error}") from error
    except (RuntimeError, KeyError) as error:
        raise UserError(f"the weights in {weights} do not fit timm's '{architecture}': {error}") from error
    blocks, tail = _cut(net)
    tokens = getattr(net, "num_prefix_tokens", None)
    layout: Layout = getattr(net, "output_fmt", "NCHW") if tokens is None else "NLC"
    patch = getattr(getattr(net, "patch_embed", None), "patch_size", (1, 1)) if tokens is not None else (1, 1)
    return Trunk(
        net=net,
        features=net.forward_features,
        blocks=blocks,
        tail=tail,
        layout=str(layout).rsplit(".", 1)[-1],  # type: ignore[arg-type]
        prefix_tokens=tokens or 0,
        patch=int(to_2tuple(patch)[0]),
        mean=tuple(net.pretrained_cfg["mean"]),
        std=tuple(net.pretrained_cfg["std"]),
    )


def _file(weights: Path) -> Path:
    if weights.is_file():
        return weights
    files = sorted(weights.glob("*.safetensors")) or sorted(weights.glob("*.pth"))
    if not files:
        raise UserError(f"model.weights={weights}: the folder holds no .safetensors or .pth file.")
    return files[0]


def _accepts_any_size(architecture: str) -> bool:
    module: str = timm.model_entrypoint(architecture).__module__
    return module == "timm.models.vision_transformer"


def _cut(net: nn.Module) -> tuple[Sequence[nn.Module], Sequence[nn.Module]]:
    """Return the blocks and what follows them before the pooled head, by order of definition.

    timm defines stem, blocks, final layers and head in the order in which they are applied; the
    Backbone checks by computing that the parts put together equal the whole.
    """
    children = dict(net.named_children())
    names = list(children)
    for name in BLOCK_LISTS:
        if name in children:
            after = names[names.index(name) + 1 :]
            tail = [children[n] for n in _until_head(after)]
            return list(children[name].children()), tail
    stages = [name for name in names if STAGES.fullmatch(name)]
    after = names[names.index(stages[-1]) + 1 :] if stages else []
    return [children[name] for name in stages], [children[name] for name in _until_head(after)]


def _until_head(names: Sequence[str]) -> list[str]:
    kept: list[str] = []
    for name in names:
        if name in HEAD_PARTS:
            break
        kept.append(name)
    return kept
