"""The compiled prefix: what is compiled, and when. The compiler itself is another one here, which is fast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, fx

from coilal.features.compiled import compiled, repays
from tests.unit.features.families import backbone, size

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def nothing_compiled() -> None:
    torch._dynamo.reset()


class Counting:
    """A compiler that counts, and compiles nothing."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, graph: fx.GraphModule, _: list[Any]) -> Callable[..., Any]:
        self.graphs += 1
        return graph.forward


def pixels(name: str) -> Tensor:
    return torch.randint(0, 256, (2, 1, *size(name)), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("name", "trainable", "graphs"),
    [("dinov2", "head", 1), ("dinov2", 1, 1), ("dinov2", 3, 0), ("resnet10t", "head", 1), ("resnet10t", 1, 0)],
)
def test_one_block_or_one_network_is_compiled(name: str, trainable: str | int, graphs: int) -> None:
    net, images, compiler = backbone(name, trainable), pixels(name), Counting()
    with torch.no_grad():
        expected = net.prefix(images)
        with compiled(net, images, compiler):
            for _ in range(2):
                torch.testing.assert_close(net.prefix(images), expected)
        assert compiler.graphs == graphs
        torch._dynamo.reset()
        assert torch.equal(net.prefix(images), expected)
    assert compiler.graphs == graphs, "afterwards nothing is compiled"


def test_where_compiling_fails_the_network_runs_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    def no_compiler(*_: Any) -> Callable[..., Any]:
        raise RuntimeError("Failed to find C compiler.")

    net, images = backbone("dinov2", "head"), pixels("dinov2")
    with torch.no_grad():
        expected = net.prefix(images)
        with compiled(net, images, no_compiler):
            assert torch.equal(net.prefix(images), expected)
    assert "goes on without it" in caplog.text


def test_compiling_repays_itself_with_many_images_or_a_large_network() -> None:
    small, large = 1 / 4428, 1 / 666  # DINOv2-S and -L on an H200
    assert not repays(10**5, small)
    assert repays(10**6, small)
    assert not repays(10**5, large)
    assert repays(2 * 10**5, large)
