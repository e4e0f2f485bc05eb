"""How a frozen prefix is computed: on which device, in which precision, and in which memory format."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from coilal.common.device_memory import is_out_of_memory
from coilal.features.backbone import Backbone
from coilal.features.trunk import Trunk

log = logging.getLogger(__name__)

Precision = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Computation:
    """How a prefix is computed.

    Attributes:
        device: where.
        precision: context in which a network with float32 weights runs (autocast).
        weights: type of the weights instead of that context, None for float32. With bfloat16 what lies between two
            products is bfloat16, too: half of the memory traffic of autocast, which adds and normalises in float32.
    """

    device: torch.device
    precision: Precision
    weights: torch.dtype | None = None

    @contextmanager
    def of(self, backbone: Backbone) -> Iterator[None]:
        """Let ``backbone.prefix`` compute like this within the context; afterwards the network is as it was."""
        with ExitStack() as contexts:
            if self.weights is None:
                contexts.enter_context(self.precision())
            else:
                contexts.enter_context(weights_in(self.weights, backbone))
            if self.device.type == "cuda":
                contexts.enter_context(torch.cuda.device(self.device))
                contexts.enter_context(channels_last(backbone))
                contexts.enter_context(torch.no_grad())  # what torch.compile is tested with
            else:
                contexts.enter_context(torch.inference_mode())
            yield


def tried(backbone: Backbone, images: Tensor, computation: Computation) -> tuple[Tensor, Computation]:
    """Return the prefix's output for some images, in the type in which it is computed, and how that was done.

    A network that does not take weights of another type, because it makes float32 tensors by itself, is computed
    with the context ``precision`` instead.

    Args:
        backbone: the cut network, in eval mode, on the device.
        images: uint8 (B, C, H, W), on the device.
        computation: how it is to be computed.
    """
    try:
        with computation.of(backbone):
            return backbone.prefix(images), computation
    except (RuntimeError, TypeError, ValueError) as error:
        if computation.weights is None or is_out_of_memory(error):
            raise
        reason = str(error).split("\n")[0]
        log.info("this network does not compute with weights in half precision (%s); autocast does it", reason)
    return tried(backbone, images, replace(computation, weights=None))


@contextmanager
def weights_in(dtype: torch.dtype, backbone: Backbone) -> Iterator[None]:
    """Let the network compute with weights and images of a type; its features are float32 before they are pooled.

    Two kinds of module keep their float32 weights: BatchNorm, which takes half precision as it is, and the
    LayerNorm at the end of a transformer, which is given and gives float32, as under autocast. What is pooled and
    stored as features is not rounded once more.
    """
    trunk = backbone.trunk
    kept = {id(tensor) for module in _in_float32(backbone) for tensor in (*module.parameters(), *module.buffers())}
    tensors = [*backbone.net.parameters(), *backbone.net.buffers()]
    cast = [tensor for tensor in tensors if id(tensor) not in kept and tensor.is_floating_point()]
    hooks = [module.register_forward_pre_hook(_as_float32) for module in _last_norms(trunk)]

    def features(images: Tensor) -> Tensor:
        return trunk.features(images.to(dtype)).float()

    try:
        with _replaced_data(cast, lambda tensor: tensor.to(dtype)), _with_features(backbone, features):
            yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def channels_last(backbone: Backbone) -> Iterator[None]:
    """Give a convolutional network its images channels-last, as ``build_backbone`` lays out its weights.

    An image of one channel is so in either order, and comes out of the normalisation in the wrong one.
    """
    trunk = backbone.trunk
    if trunk.layout != "NCHW":
        yield
        return

    def features(images: Tensor) -> Tensor:
        return trunk.features(images.contiguous(memory_format=torch.channels_last))

    with _with_features(backbone, features):
        yield


@contextmanager
def _replaced_data(tensors: Sequence[Tensor], change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Exchange the values of tensors for changed ones, and put the old ones back: nothing is rounded on the way."""
    originals = [tensor.data for tensor in tensors]
    try:
        for tensor in tensors:
            tensor.data = change(tensor.data)
        yield
    finally:
        for tensor, data in zip(tensors, originals, strict=True):
            tensor.data = data


@contextmanager
def _with_features(backbone: Backbone, features: Callable[[Tensor], Tensor]) -> Iterator[None]:
    trunk = backbone.trunk
    backbone.trunk = replace(trunk, features=features)
    try:
        yield
    finally:
        backbone.trunk = trunk


def _in_float32(backbone: Backbone) -> list[nn.Module]:
    norms = [module for module in backbone.net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    return [*norms, *_last_norms(backbone.trunk)]


def _last_norms(trunk: Trunk) -> list[nn.Module]:
    return [module for part in trunk.tail for module in part.modules() if isinstance(module, nn.LayerNorm)]


def _as_float32(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(tensor.float() for tensor in inputs)
