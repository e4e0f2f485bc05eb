from __future__ import annotations

from contextlib import suppress

import numpy as np
import torch

from coilal.threads import threads_for

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
