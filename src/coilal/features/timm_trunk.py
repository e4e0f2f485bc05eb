"""Any timm architecture as a Trunk."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from coilal.common.lean_imports import as_if_missing
from coilal.common.types import UserError
from coilal.features.fitting import Fit, ensure_fit, without_prefix
from coilal.features.trunk import Layout, Trunk
from coilal.features.weights_file import WeightsFile, read

with as_if_missing("wandb"):
    import timm
    from timm.layers import to_2tuple
    from timm.models import _builder, adapt_input_conv

log = logging.getLogger(__name__)

Translate = Callable[..., dict[str, Any]]

STAGES = re.compile(r"(layer|stage|s)_?\d+")  # ResNets, RegNets
BLOCK_LISTS = ("blocks", "stages", "layers")
HEAD_PARTS = ("global_pool", "attn_pool", "fc_norm", "head_drop", "head", "classifier", "fc")


def build(architecture: str, arguments: Mapping[str, Any] | None = None, weights: Path | None = None) -> Trunk:
    """Build a timm network without classifier.

    Args:
        architecture: a name of ``timm.list_models()``.
        arguments: further arguments of ``timm.create_model``, for example ``pad_type: same``.
        weights: a .safetensors, .pth, .pt or .bin file in timm's format, or a folder that holds one; None for
            random weights.

    Raises:
        UserError: unknown architecture, or weights that do not fit it.
    """
    if not timm.is_model(architecture):
        near = timm.list_models(f"*{architecture.split('.')[0].split('_')[0]}*")[:8]
        raise UserError(f"timm has no architecture '{architecture}'. Near: {', '.join(near) or 'none'}.")
    options: dict[str, Any] = {**(arguments or {}), "num_classes": 0}
    if "img_size" not in options and _accepts_any_size(architecture):
        options["dynamic_img_size"] = True
    try:
        net, translate = _created(architecture, options, loads=weights is not None)
    except (TypeError, ValueError, RuntimeError, AssertionError, AttributeError, KeyError) as error:
        raise UserError(f"model.trunk.arguments: timm's '{architecture}' does not take them: {error}") from error
    reread, told = (False, "") if weights is None else _load(net, read(weights), translate, architecture)
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
        reread=reread,
        told=told,
    )


def _created(architecture: str, options: Mapping[str, Any], loads: bool) -> tuple[Any, Translate | None]:
    """Return a network with random weights, and timm's translation of older names in files for it.

    timm's own loading is not strict without the classifier: it accepts files that fit nothing. So it is told to
    load, and stopped there.
    """
    found: list[Translate | None] = [None]

    def instead(_: nn.Module, *, filter_fn: Translate | None = None, **__: Any) -> None:
        found[0] = filter_fn

    stock, _builder.load_pretrained = _builder.load_pretrained, instead
    try:
        net = timm.create_model(architecture, pretrained=loads, **options)
    finally:
        _builder.load_pretrained = stock
    return net, found[0]


def _load(net: Any, file: WeightsFile, translate: Translate | None, architecture: str) -> tuple[bool, str]:
    """Put the tensors of a file into a network, all of them.

    Returns:
        Whether timm alone would not have found them, and how they fit, in words.

    Raises:
        UserError: they do not fit it.
    """
    needed = net.state_dict()
    network = f"timm's '{architecture}'"
    file = without_prefix(file, needed)
    if translate is not None:
        file = _translated(net, file, translate)
    file = _for_channels(net, file)
    told = ensure_fit(file, Fit.by_name(file.tensors, needed), needed, network)
    net.load_state_dict({name: tensor for name, tensor in file.tensors.items() if name in needed}, strict=False)
    return file.reread, told


def _translated(net: Any, file: WeightsFile, translate: Translate) -> WeightsFile:
    """Return the tensors with timm's names and its sizes of position embeddings."""
    try:
        try:
            tensors = translate(dict(file.tensors), net)
        except TypeError:  # some take the tensors alone
            tensors = translate(dict(file.tensors))
    except Exception as error:  # whatever it meets in foreign tensors
        log.debug("timm's translation of %s: %s", file.path, error)
        return file
    renamed = len(set(tensors) - set(file.tensors))
    note = (f"{renamed} names translated by timm",) if renamed else ()
    return file.renamed(tensors, *note)


def _for_channels(net: Any, file: WeightsFile) -> WeightsFile:
    """Return the tensors with a first convolution for as many channels as the network takes, as timm makes it."""
    first = net.pretrained_cfg.get("first_conv")
    tensors, notes = dict(file.tensors), []
    for layer in (first,) if isinstance(first, str) else first or ():
        name = f"{layer}.weight"
        here = net.state_dict().get(name)
        there = tensors.get(name)
        if here is None or there is None or here.ndim != 4 or there.ndim != 4 or here.shape[1] == there.shape[1]:
            continue
        tensors[name] = adapt_input_conv(here.shape[1], there, there.shape[1])
        notes.append(f"{name} made for {here.shape[1]} channels, not {there.shape[1]}, by adding or repeating")
    return file.renamed(tensors, *notes)


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
