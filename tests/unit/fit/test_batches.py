from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from coilal.fit.batches import Batches

BOUNDARY = np.arange(40 * 3, dtype=np.float32).reshape(40, 3)
BOUNDARY.flags.writeable = False  # as if it were mapped from the cache
IDS = np.array([3, 5, 8, 13, 21, 34, 39])
VALUES = IDS * 10


def epoch(batches: Batches) -> list[tuple[Tensor, Tensor]]:
    return list(batches)


def batches(memory: int = 10**6, seed: int = 1) -> Batches:
    return Batches(BOUNDARY, IDS, VALUES, 3, seed, torch.device("cpu"), memory)


@pytest.mark.parametrize("memory", [10**6, 10], ids=["in memory", "read batch by batch"])
def test_each_epoch_holds_every_labelled_image_once_with_its_label(memory: int) -> None:
    made = batches(memory)
    assert (made.rows is None) == (memory == 10)
    for _ in range(2):
        seen = epoch(made)
        assert [len(rows) for rows, _ in seen] == [3, 3, 1]
        assert len(made) == 3
        rows, values = torch.cat([r for r, _ in seen]), torch.cat([v for _, v in seen])
        assert sorted(values.tolist()) == VALUES.tolist()
        np.testing.assert_array_equal(rows.numpy(), BOUNDARY[values.numpy() // 10])


def test_the_budget_of_memory_changes_no_batch() -> None:
    held, read = batches(), batches(memory=10)
    for _ in range(3):
        for (ours, our_values), (theirs, their_values) in zip(epoch(held), epoch(read), strict=True):
            assert torch.equal(ours, theirs)
            assert torch.equal(our_values, their_values)


@pytest.mark.parametrize("mapped", [False, True])
def test_on_a_cpu_one_budget_holds_the_outputs_and_the_labelled_rows(mapped: bool) -> None:
    boundary, ids = np.zeros((40, 3), np.float32), np.arange(30)
    boundary.flags.writeable = not mapped
    for spare, held in ((0, True), (-1, False)):
        needed = (0 if mapped else boundary.nbytes) + boundary[ids].nbytes + spare
        made = Batches(boundary, ids, ids, 8, 0, torch.device("cpu"), needed)
        assert (made.rows is not None) == held


def test_the_order_depends_on_seed_and_epoch_only() -> None:
    def orders(seed: int) -> list[list[int]]:
        made = batches(seed=seed)
        return [torch.cat([values for _, values in epoch(made)]).tolist() for _ in range(3)]

    torch.manual_seed(0)
    first = orders(1)
    torch.manual_seed(7)
    assert orders(1) == first
    assert orders(2) != first
    assert len({tuple(order) for order in first}) == 3
