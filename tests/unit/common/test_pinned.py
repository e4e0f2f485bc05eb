from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from coilal.common import pinned

CPU = torch.device("cpu")
SHAPES = [
    (5, 3),
    (5, 3),
    (2, 3),
    (7, 2, 4),
    (0, 3),
    (5, 3),
    (1, 1),
    (5, 3),
]  # larger and smaller than the one before


def blocks() -> list[np.ndarray]:
    draws = np.random.default_rng(0)
    return [draws.integers(0, 255, shape).astype(kind) for shape in SHAPES for kind in ("uint8", "float32")]


def there_and_back(device: torch.device) -> None:
    def doubled() -> Generator[tuple[Tensor, Tensor]]:
        for tensor in pinned.stream(iter(blocks()), device):
            yield 2 * tensor, tensor.half()

    expected = blocks()
    for given, (twice, half) in zip(expected, pinned.to_host(doubled(), device), strict=True):
        np.testing.assert_array_equal(twice, 2 * given)
        np.testing.assert_array_equal(half, given.astype(np.float16))
        assert twice.dtype == given.dtype


def test_what_goes_to_a_device_and_back_is_the_same_in_the_same_order() -> None:
    there_and_back(CPU)


@pytest.mark.filterwarnings("error")
def test_rows_of_a_mapped_file_are_copied(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(12).reshape(4, 3))
    (tensor,) = pinned.stream(iter([np.load(tmp_path / "a.npy", mmap_mode="r")[1:3]]), CPU)
    tensor += 1
    assert np.load(tmp_path / "a.npy")[1].tolist() == [3, 4, 5]


def failing() -> Generator[np.ndarray]:
    yield np.zeros(3)
    raise ValueError("wrong")


def test_an_error_of_the_blocks_comes_in_its_place() -> None:
    tensors = pinned.stream(failing(), CPU)
    assert next(tensors).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="wrong"):
        next(tensors)


@pytest.mark.cuda
def test_the_same_on_a_gpu(cuda: torch.device) -> None:
    there_and_back(cuda)


@pytest.mark.cuda
def test_copies_wait_for_what_computes_and_keep_their_order(cuda: torch.device) -> None:
    product = torch.randn(4096, 4096, device=cuda)

    def numbers() -> Generator[tuple[Tensor]]:
        for tensor in pinned.stream((np.full(10**6, number) for number in range(20)), cuda):
            product @ product  # keeps the stream busy, so that a copy that does not wait comes too early
            yield (tensor + 1,)

    for number, (values,) in enumerate(pinned.to_host(numbers(), cuda)):
        assert (values == number + 1).all()


@pytest.mark.cuda
def test_an_error_on_a_gpu_comes_in_its_place(cuda: torch.device) -> None:
    tensors = pinned.stream(failing(), cuda)
    assert next(tensors).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="wrong"):
        next(tensors)
