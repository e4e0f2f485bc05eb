"""Extraction where memory is short, and on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from coilal.common.types import UserError
from coilal.features import extract
from coilal.features.backbone import Backbone
from coilal.features.computation import Computation
from coilal.features.extract import Extraction
from tests.unit.features.families import FAMILIES, backbone, size

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
COUNT = 37


def pixels(name: str, count: int = COUNT) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 1, *size(name)), dtype=np.uint8)


def extracted(
    net: Backbone, images: np.ndarray, computation: Computation, start: int = 0, dtype: torch.dtype = torch.float32
) -> np.ndarray:
    extraction = Extraction(net.to(computation.device), computation, (), dtype)
    return np.concatenate([np.array(block) for block in extraction.blocks(images, np.arange(start, len(images)))])


def needing(most: int, net: Backbone) -> Callable[[Tensor], Tensor]:
    compute = net.prefix

    def prefix(images: Tensor) -> Tensor:
        if len(images) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return compute(images)

    return prefix


def test_half_a_batch_at_a_time_where_memory_is_short(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    net, images = backbone("resnet10t", "head"), pixels("resnet10t")
    expected = extracted(net, images, Computation(CPU, nullcontext))
    monkeypatch.setattr(net, "prefix", needing(8, net))
    np.testing.assert_allclose(
        extracted(net, images, Computation(CPU, nullcontext)), expected, rtol=1e-4, atol=1e-5
    )
    assert caplog.text.count("extraction of features: out of memory with 16 at a time; going on with 8") == 1


def test_where_half_is_too_much_the_user_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    net = backbone("resnet10t", 1)
    monkeypatch.setattr(net, "prefix", needing(7, net))
    with pytest.raises(
        UserError, match=r"extraction of activations: out of memory even with 8 .*data\.image\.size"
    ):
        extracted(net, pixels("resnet10t"), Computation(CPU, nullcontext))


# ---- On a GPU


@pytest.mark.cuda
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("trainable", ["head", 1])
def test_a_gpu_gives_what_a_cpu_gives(
    name: str, trainable: str | int, cuda: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    images = pixels(name, 300)
    expected = extracted(backbone(name, trainable), images, Computation(CPU, nullcontext))
    largest = np.abs(expected).max()
    got = extracted(backbone(name, trainable), images, Computation(cuda, nullcontext))
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-3 * largest)
    half = extracted(
        backbone(name, trainable), images, Computation(cuda, nullcontext, torch.bfloat16), dtype=torch.float16
    )
    assert np.abs(half - expected).mean() <= 0.1 * np.abs(expected).mean()


@pytest.mark.cuda
def test_an_extraction_that_goes_on_gives_the_same(cuda: torch.device) -> None:
    images, computation = pixels("dinov2", 700), Computation(cuda, nullcontext, torch.bfloat16)
    whole = extracted(backbone("dinov2", "head"), images, computation)
    np.testing.assert_array_equal(
        extracted(backbone("dinov2", "head"), images, computation, start=333), whole[333:]
    )


@pytest.mark.cuda
def test_the_batch_fits_the_memory_of_the_gpu(cuda: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    extraction = Extraction(
        backbone("resnet10t", "head").to(cuda), Computation(cuda, nullcontext), (), torch.float32
    )
    images = pixels("resnet10t", 300)
    with torch.no_grad():
        assert extraction._measured(images)[0] == extract.GPU_BATCH
        monkeypatch.setattr(extract, "free_memory", lambda _: 10**6)
        assert 1 <= extraction._measured(images)[0] < extract.GPU_BATCH


@pytest.mark.cuda
def test_compiled_code_gives_the_same_and_serves_the_last_batch(
    cuda: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, computation = pixels("dinov2", 300), Computation(cuda, nullcontext, torch.bfloat16)
    eager = extracted(backbone("dinov2", 1), images, computation)
    shapes: set[Any] = set()
    monkeypatch.setattr(extract, "repays", lambda *_: True)
    net = backbone("dinov2", 1)
    compute = net.prefix
    monkeypatch.setattr(net, "prefix", lambda x: (shapes.add(len(x)), compute(x))[1])
    compiled = extracted(net, images, computation)
    assert shapes <= {extract.PROBE, extract.GPU_BATCH}
    assert np.abs(compiled - eager).mean() <= 0.02 * np.abs(eager).mean()


@pytest.mark.cuda
def test_values_that_are_not_finite_are_found_on_a_gpu(cuda: torch.device) -> None:
    net = backbone("mobilenetv2_050", "head")
    with torch.no_grad():
        next(net.net.parameters()).fill_(float("nan"))
    with pytest.raises(UserError, match=r"image 5 .*model\.weights"):
        extracted(net, pixels("mobilenetv2_050"), Computation(cuda, nullcontext), start=5)
