"""Roundings and statistics of the benchmark of precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.precision.measured import half_interval, relative_errors
from benchmarks.precision.rounding import tf32_products, to_bf16, to_tf32


def test_values_are_rounded_to_ten_bits_of_the_fraction() -> None:
    values = torch.randn(10_000, generator=torch.Generator().manual_seed(0)) * 100
    rounded = to_tf32(values)
    bits = rounded.numpy().view(np.int32)
    assert not (bits & (2**13 - 1)).any()
    assert float(((rounded - values) / values).abs().max()) <= 2**-11
    assert torch.equal(to_tf32(rounded), rounded)
    assert torch.equal(to_bf16(values), values.bfloat16().float())


def test_within_the_context_products_are_rounded_and_afterwards_all_is_as_before() -> None:
    net, images = nn.Conv2d(1, 4, 3), torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    before = net(images)
    with tf32_products(net):
        expected = nn.functional.conv2d(to_tf32(images), to_tf32(net.weight), net.bias)
        within = net(images)
    torch.testing.assert_close(within, expected, rtol=0, atol=1e-3)
    assert not torch.equal(within, before)
    assert torch.equal(net(images), before)


def test_errors_and_intervals() -> None:
    reference = np.array([[3.0, 4.0], [0.0, 2.0]], np.float32)
    np.testing.assert_allclose(relative_errors(np.array([[3, 4], [0, 3]], np.float32), reference), [0, 0.5])
    assert half_interval([0.0, 2.0]) == pytest.approx(12.7062, rel=1e-4)  # t of one degree of freedom times 1
    assert np.isnan(half_interval([1.0]))
