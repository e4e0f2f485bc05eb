from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
import torch

from coilal.common import threads
from coilal.common.threads import all_threads, share_cores, threads_for

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
    before = torch.get_num_threads()
    try:
        share_cores(3)
        assert torch.get_num_threads() == 2
        with all_threads():
            assert torch.get_num_threads() == 6
        assert torch.get_num_threads() == 2
        share_cores(7)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
