from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from coilal.common import threads
from coilal.common.threads import FEW, all_threads, cores_are_shared, share_cores, threads_for, threads_of_products

CPU = torch.device("cpu")


def test_a_head_alone_has_one_thread_and_gives_the_others_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with suppress(ZeroDivisionError), threads_for(np.zeros((90, 4), np.float32), CPU):
            assert torch.get_num_threads() == 1
            raise ZeroDivisionError
        assert torch.get_num_threads() == 2
        with threads_for(np.zeros((90, 4, 2, 2), np.float32), CPU):
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_several_processes_share_the_cores_and_one_that_is_waited_for_takes_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "ALL", 6)
    monkeypatch.setattr(threads, "_processes", 1)
    before = torch.get_num_threads()
    try:
        assert not cores_are_shared()
        share_cores(3)
        assert cores_are_shared()
        assert torch.get_num_threads() == 2
        with all_threads():
            assert torch.get_num_threads() == 6
        assert torch.get_num_threads() == 2
        share_cores(7)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_small_products_have_one_thread_and_large_ones_the_process_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "ALL", 4)
    monkeypatch.setattr(threads, "_processes", 2)
    before = blas_threads()
    assert before
    with suppress(ZeroDivisionError), threads_of_products(FEW):
        assert blas_threads() == {1}
        raise ZeroDivisionError
    assert blas_threads() == before
    with threads_of_products(FEW + 1):
        assert blas_threads() == {2}
    assert blas_threads() == before
