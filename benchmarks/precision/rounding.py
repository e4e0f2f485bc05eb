"""Rounding float32 as TF32 and bfloat16 would be: for a CPU that has neither, or is slow with them.

What differs from the real thing is the order of the sums, which each machine chooses for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

SPLIT = 2.0**13 + 1
"""Veltkamp's constant for float32's 23 bits of the fraction less the 13 that TF32 does not have."""

Round = Callable[[Tensor], Tensor]


def to_tf32(values: Tensor) -> Tensor:
    """Return float32 values rounded to 10 bits of the fraction, to the nearest; below 2¹¹⁴ in magnitude."""
    scaled = values * SPLIT
    return scaled.sub_(scaled - values)


def to_bf16(values: Tensor) -> Tensor:
    """Return float32 values rounded to bfloat16, to the nearest, ties to even."""
    return values.to(torch.bfloat16).float()


@contextmanager
def tf32_products(net: nn.Module) -> Iterator[None]:
    """Round what enters convolutions and products, images and weights, to TF32 within the context."""
    with ExitStack() as contexts:
        for module in _products(net):
            _round_weights(module, to_tf32, contexts)
            contexts.callback(module.register_forward_pre_hook(_inputs(to_tf32)).remove)
        yield


@contextmanager
def bf16_products(net: nn.Module) -> Iterator[None]:
    """Round weights of convolutions and products, and what each module gives, to bfloat16 within the context.

    What is added between modules is rounded where the module that adds it ends.
    """
    products = _products(net)
    with ExitStack() as contexts:
        contexts.callback(products[0].register_forward_pre_hook(_inputs(to_bf16)).remove)  # the images
        for module in products:
            _round_weights(module, to_bf16, contexts)
        for module in net.modules():
            contexts.callback(module.register_forward_hook(_output).remove)
        yield


def _products(net: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    return [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


def _round_weights(module: nn.Conv2d | nn.Linear, to_type: Round, contexts: ExitStack) -> None:
    for tensor in (module.weight, module.bias):
        if tensor is not None:
            contexts.callback(setattr, tensor, "data", tensor.data)
            tensor.data = to_type(tensor.data)


def _inputs(to_type: Round) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    return lambda _, inputs: tuple(to_type(tensor) for tensor in inputs)


def _output(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    return to_bf16(output)
