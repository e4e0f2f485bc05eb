"""Weights in half precision and channels-last: what they change, and that they leave nothing changed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from coilal.features.backbone import Backbone
from coilal.features.computation import Computation, channels_last, tried, weights_in
from tests.unit.features.families import FAMILIES, backbone, size

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
BFLOAT16 = Computation(CPU, nullcontext, torch.bfloat16)
AUTOCAST = Computation(CPU, partial(torch.autocast, "cpu", torch.bfloat16))


def pixels(name: str) -> Tensor:
    return torch.randint(0, 256, (9, 1, *size(name)), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def computed(net: Backbone, images: Tensor, computation: Computation) -> Tensor:
    with computation.of(net):
        return net.prefix(images)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("trainable", ["head", 1])
def test_weights_in_bfloat16_err_hardly_more_than_autocast(name: str, trainable: str | int) -> None:
    net, images = backbone(name, trainable), pixels(name)
    exact = computed(net, images, Computation(CPU, nullcontext))
    half, autocast = computed(net, images, BFLOAT16), computed(net, images, AUTOCAST)
    assert half.dtype == (torch.float32 if trainable == "head" else torch.bfloat16)
    assert 0 < (half - exact).abs().mean() <= 3 * (autocast - exact).abs().mean()


@pytest.mark.parametrize("name", ["dinov2", "tf_efficientnetv2_b0"])
@pytest.mark.parametrize("context", [partial(weights_in, torch.bfloat16), channels_last])
def test_afterwards_the_network_is_as_it_was(
    name: str, context: Callable[[Backbone], AbstractContextManager[None]]
) -> None:
    net, images = backbone(name, "head"), pixels(name)
    weights = {key: value.clone() for key, value in net.net.state_dict().items()}
    trunk, expected = net.trunk, net.prefix(images)
    with pytest.raises(KeyboardInterrupt), context(net):
        raise KeyboardInterrupt
    for key, value in net.net.state_dict().items():
        assert value.dtype == weights[key].dtype
        assert value.stride() == weights[key].stride()
        assert torch.equal(value, weights[key])
    assert net.trunk is trunk
    assert torch.equal(net.prefix(images), expected)


@pytest.mark.parametrize(("name", "convolutional"), [("resnet10t", True), ("dinov2", False)])
def test_only_convolutional_networks_see_images_channels_last(name: str, convolutional: bool) -> None:
    net, images = backbone(name, "head"), pixels(name)
    seen: list[bool] = []
    first = next(module for module in net.net.modules() if isinstance(module, nn.Conv2d))
    first.register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0].is_contiguous(memory_format=torch.channels_last))
    )
    expected = net.prefix(images)
    with channels_last(net):
        torch.testing.assert_close(net.prefix(images), expected, rtol=1e-4, atol=1e-5)
    assert seen == [False, convolutional]


def test_a_network_that_makes_float32_by_itself_is_computed_with_autocast(caplog: pytest.LogCaptureFixture) -> None:
    net, images = backbone("dinov2", "head"), pixels("dinov2")
    block: Any = net.trunk.blocks[0]
    forward = block.forward
    block.forward = lambda tokens, *others: forward(tokens.float(), *others)
    computation = Computation(CPU, AUTOCAST.precision, torch.bfloat16)
    with caplog.at_level(logging.INFO):
        outputs, how = tried(net, images, computation)
    assert how == AUTOCAST
    assert torch.equal(outputs, computed(net, images, AUTOCAST))
    assert "autocast does it" in caplog.text


def test_what_is_wrong_in_every_precision_is_told() -> None:
    net = backbone("dinov2", "head")
    with pytest.raises(RuntimeError):
        tried(net, torch.zeros(1, 7, 56, 42, dtype=torch.uint8), BFLOAT16)


def test_a_full_memory_is_no_reason_for_autocast() -> None:
    net = backbone("dinov2", "head")
    block: Any = net.trunk.blocks[0]

    def full(*_: Any) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    block.forward = full
    with pytest.raises(torch.OutOfMemoryError):
        tried(net, pixels("dinov2"), BFLOAT16)
