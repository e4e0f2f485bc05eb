from __future__ import annotations

import logging

import pytest
import torch
from torch import Tensor, nn

from coilal.features.fold import folded
from tests.unit.features.families import FAMILIES, WITH_BATCHNORM, backbone, size

pytestmark = pytest.mark.slow


def pixels(name: str) -> Tensor:
    return torch.randint(0, 256, (3, 1, *size(name)), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def norms(net: nn.Module) -> list[nn.Module]:
    return [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("trainable", ["head", 1])
def test_folding_changes_nothing_but_the_time(name: str, trainable: str | int) -> None:
    net, x = backbone(name, trainable), pixels(name)
    before = dict(net.net.named_modules())
    with torch.inference_mode():
        expected = net.prefix(x)
        with folded(net.net, lambda: net.prefix(x[:1])):
            within = norms(net.net)
            got = net.prefix(x)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    assert dict(net.net.named_modules()) == before
    # every BatchNorm of the prefix is gone, every one of the trainable part is there
    assert within == norms(net.trained)


@pytest.mark.parametrize("name", WITH_BATCHNORM)
def test_folding_works_in_half_precision(name: str, caplog: pytest.LogCaptureFixture) -> None:
    net, x = backbone(name, "head"), pixels(name)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16), caplog.at_level(logging.INFO):
        expected = net.prefix(x)
        with folded(net.net, lambda: net.prefix(x[:1])):
            assert not norms(net.net)
            got = net.prefix(x)
    assert not caplog.records
    assert got.dtype == torch.bfloat16 == expected.dtype
    with torch.inference_mode():
        exact = net.prefix(x)
    # no further from what single precision gives than without folding
    assert (got - exact).abs().mean() <= 1.5 * (expected - exact).abs().mean()


def test_the_folded_families_have_batchnorm_at_all() -> None:
    assert all(norms(backbone(name, "head").net) for name in WITH_BATCHNORM)


class Peeking(nn.Module):
    """Uses what the convolution returns a second time, so that nothing may be folded into it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.norm.running_var.fill_(5.0)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return y + self.norm(y)


def test_a_network_that_cannot_be_folded_is_left_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    net, x = Peeking().eval(), torch.randn(2, 1, 8, 8)
    with torch.inference_mode(), caplog.at_level(logging.INFO):
        expected = net(x)
        with folded(net, lambda: net(x)):
            assert torch.equal(net(x), expected)
    assert "cannot be folded" in caplog.text


def test_batchnorm_in_training_mode_is_not_folded() -> None:
    net, x = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)), torch.randn(2, 1, 8, 8)
    with folded(net, lambda: net(x)):
        assert norms(net)


def test_a_convolution_that_is_applied_twice_is_not_folded() -> None:
    conv = nn.Conv2d(1, 1, 3, padding=1)
    net, x = nn.Sequential(conv, nn.BatchNorm2d(1), nn.ReLU(), conv).eval(), torch.randn(2, 1, 8, 8)
    with torch.inference_mode(), folded(net, lambda: net(x)):
        assert norms(net)


def test_the_network_is_restored_after_an_error() -> None:
    net = backbone("resnet10t", "head")
    before = dict(net.net.named_modules())
    with (
        pytest.raises(KeyboardInterrupt),
        torch.inference_mode(),
        folded(net.net, lambda: net.prefix(pixels("resnet10t"))),
    ):
        raise KeyboardInterrupt
    assert dict(net.net.named_modules()) == before
