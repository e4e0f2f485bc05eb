from __future__ import annotations

import logging
import weakref

import pytest
import torch

from coilal.common.device_memory import BatchSize, free_memory, is_out_of_memory
from coilal.common.host_memory import free_host_memory
from coilal.common.types import UserError

ADVICE = "Take less."


def full(message: str = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total …") -> Exception:
    return torch.OutOfMemoryError(message)


def test_the_memory_of_a_cpu_is_that_of_the_machine() -> None:
    assert free_memory(torch.device("cpu")) == pytest.approx(free_host_memory(), rel=0.3)


def test_what_torch_raises_on_a_cpu_is_known() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**55, dtype=torch.uint8)
    assert is_out_of_memory(raised.value)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (full(), True),
        (MemoryError(), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("CUDA error: device-side assert triggered"), False),
        (ValueError("out of memory"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_a_full_memory_is_told_from_other_errors(error: BaseException, told: bool) -> None:
    assert is_out_of_memory(error) == told


def test_the_first_time_half_is_done_and_said(caplog: pytest.LogCaptureFixture) -> None:
    size, asked = BatchSize("extraction", 100, ADVICE), []

    def work(count: int) -> int:
        asked.append(count)
        if count > 60:
            raise full()
        return 2 * count

    with caplog.at_level(logging.WARNING):
        assert [size.do(work), size.do(work)] == [100, 100]
    assert asked == [100, 50, 50], "what was too much is not tried again"
    assert [record.getMessage() for record in caplog.records] == [
        "extraction: out of memory with 100 at a time; going on with 50 (CUDA out of memory)"
    ]


@pytest.mark.parametrize(("start", "told"), [(100, "50"), (1, "1")])
def test_if_half_is_too_much_it_is_the_users_turn(start: int, told: str) -> None:
    def work(_: int) -> None:
        raise full()

    with pytest.raises(UserError, match=rf"^extraction: out of memory even with {told} at a time .* Take less\.$"):
        BatchSize("extraction", start, ADVICE).do(work)


def test_the_second_time_may_be_a_later_call() -> None:
    size, left = BatchSize("extraction", 100, ADVICE), [True, False, True]

    def work(_: int) -> None:
        if left.pop(0):
            raise full()

    size.do(work)
    with pytest.raises(UserError, match="even with 50"):
        size.do(work)


def test_other_errors_pass() -> None:
    def work(_: int) -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        BatchSize("extraction", 100, ADVICE).do(work)


def test_the_second_try_finds_the_memory_of_the_first_free() -> None:
    held: list[weakref.ref[torch.Tensor]] = []

    def work(count: int) -> bool:
        if held:
            return held[0]() is None
        activations = torch.zeros(count)
        held.append(weakref.ref(activations))
        raise full()

    assert BatchSize("extraction", 100, ADVICE).do(work)


@pytest.mark.cuda
def test_the_memory_of_a_gpu_is_what_the_driver_and_torch_have_left(cuda: torch.device) -> None:
    before = free_memory(cuda)
    held = torch.empty(2**28, dtype=torch.uint8, device=cuda)
    assert free_memory(cuda) == pytest.approx(before - 2**28, abs=2**26)
    del held  # torch keeps it for itself
    assert free_memory(cuda) == pytest.approx(before, abs=2**26)


@pytest.mark.cuda
def test_a_full_gpu_is_known(cuda: torch.device) -> None:
    with pytest.raises(torch.OutOfMemoryError) as raised:
        torch.empty(2**50, dtype=torch.uint8, device=cuda)
    assert is_out_of_memory(raised.value)
