"""Frozen BatchNorm folded into the convolution before it: one pass over the activations less."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

log = logging.getLogger(__name__)

# Folded and unfolded outputs may differ by this much of their largest value.
TOLERANCE = 1e-4


@contextmanager
def folded(net: nn.Module, run: Callable[[], Tensor]) -> Iterator[None]:
    """Within the context, BatchNorm is folded into convolutions wherever ``run`` feeds one with the other.

    What ``run`` does not reach, such as the trainable blocks, stays as it is, and afterwards everything is
    as it was. A network whose output changes by more than ``TOLERANCE`` (because something else looks at what
    the convolution returns) is not folded.

    The outputs are compared in full precision, also within autocast and where convolutions may use TF32: their
    rounding is larger than ``TOLERANCE``. On a GPU the memory format decides, and folding gains nothing.

    Args:
        net: a network in eval mode.
        run: applies the part of ``net`` in question to some images.
    """
    pairs = _pairs(net, run)
    replaced: list[tuple[nn.Module, str, nn.Module]] = []
    try:
        if pairs:
            expected = _in_full_precision(net, run)
            for conv, norm, after in pairs:
                replaced += [_replace(net, conv, _fused(conv, norm)), _replace(net, norm, after)]
            if not _equal(_in_full_precision(net, run), expected):
                log.info("BatchNorm of this network cannot be folded into its convolutions; extraction is slower")
                _restore(replaced)
        yield
    finally:
        _restore(replaced)


def _in_full_precision(net: nn.Module, run: Callable[[], Tensor]) -> Tensor:
    tf32, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    try:
        with torch.autocast(next(net.parameters()).device.type, enabled=False):
            return run()
    finally:
        torch.backends.cudnn.allow_tf32 = tf32


def _pairs(net: nn.Module, run: Callable[[], Tensor]) -> list[tuple[nn.Conv2d, nn.BatchNorm2d, nn.Module]]:
    """Return each convolution whose output is the input of a BatchNorm, both applied once, and what follows."""
    produced: dict[int, tuple[nn.Conv2d, Tensor]] = {}  # the tensor is kept, so that its id stays its own
    fed: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []
    applied: list[nn.Module] = []

    def after_conv(conv: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(conv, nn.Conv2d)
        produced[id(output)] = conv, output
        applied.append(conv)

    def before_norm(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        applied.append(norm)
        if id(inputs[0]) in produced:
            fed.append((produced[id(inputs[0])][0], norm))

    norms = [module for module in net.modules() if _after(module) is not None]
    if not norms:
        return []
    handles = [norm.register_forward_pre_hook(before_norm) for norm in norms]
    handles += [m.register_forward_hook(after_conv) for m in net.modules() if isinstance(m, nn.Conv2d)]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return [
        (conv, norm, after)
        for conv, norm in fed
        if applied.count(conv) == applied.count(norm) == 1 and (after := _after(norm)) is not None
    ]


def _after(module: nn.Module) -> nn.Module | None:
    """Return what a BatchNorm does besides normalising, None for what is no frozen BatchNorm."""
    if module.training or not isinstance(module, nn.BatchNorm2d) or module.running_mean is None:
        return None
    if type(module) is nn.BatchNorm2d:
        return nn.Identity()
    if type(module).__name__ == "BatchNormAct2d":  # by name: timm need not be there for other networks
        return nn.Sequential(module.drop, module.act)  # type: ignore[arg-type]
    return None


def _fused(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    return fuse_conv_bn_eval(conv, norm).to(memory_format=torch.channels_last)


def _replace(net: nn.Module, old: nn.Module, new: nn.Module) -> tuple[nn.Module, str, nn.Module]:
    for parent in net.modules():
        for name, child in parent.named_children():
            if child is old:
                setattr(parent, name, new)
                return parent, name, old
    raise LookupError("the module is no part of the network")


def _restore(replaced: list[tuple[nn.Module, str, nn.Module]]) -> None:
    for parent, name, old in replaced:
        setattr(parent, name, old)
    replaced.clear()


def _equal(found: Tensor, expected: Tensor) -> bool:
    difference = (found.float() - expected.float()).abs().max()
    return bool(difference <= TOLERANCE * expected.abs().max().clamp_min(1e-6))
