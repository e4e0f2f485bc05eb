from __future__ import annotations

import os

import pytest

from benchmarks.contestants.forked import shared_out


@pytest.mark.parametrize("processes", [1, 2, 3, 9])
def test_results_come_back_in_order(processes: int) -> None:
    found = shared_out(lambda item: (item, os.getpid()), range(7), processes)
    assert [item for item, _ in found] == [*range(7)]
    assert len({process for _, process in found}) == min(processes, 7)


def test_a_process_that_dies_is_not_waited_for() -> None:
    with pytest.raises(EOFError):
        shared_out(lambda item: 1 // (1 - item), [0, 1], 2)
