from __future__ import annotations

import numpy as np
import pytest
import torch

from coilal.fit.batches import Batch, Batches, Labelled
from coilal.fit.rows import Rows

BOUNDARY = np.arange(40 * 3, dtype=np.float32).reshape(40, 3)
BOUNDARY.flags.writeable = False  # as if it were mapped from the cache
IDS = np.array([3, 5, 8, 13, 21, 34, 39])
VALUES = IDS * 10


CPU = torch.device("cpu")


def batches(memory: int = 10**6, *seeds: int) -> Batches:
    labelled = [Labelled(IDS, VALUES, seed) for seed in seeds or (1,)]
    return Batches(Rows(BOUNDARY, CPU, 0), labelled, 3, memory)


def joined(epoch: list[Batch]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.cat([batch.boundary for batch in epoch], 1), torch.cat([batch.values for batch in epoch], 1)


@pytest.mark.parametrize("memory", [10**6, 10], ids=["in memory", "read batch by batch"])
@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3)], ids=["one run", "three runs"])
def test_each_epoch_holds_every_labelled_image_once_with_its_label(memory: int, seeds: tuple[int, ...]) -> None:
    made = batches(memory, *seeds)
    assert (made.source is None) == (memory == 10)
    for _ in range(2):
        seen = list(made)
        assert [tuple(batch.boundary.shape[:2]) for batch in seen] == [(len(seeds), size) for size in (3, 3, 1)]
        assert len(made) == 3
        rows, values = joined(seen)
        for own, labels in zip(rows, values, strict=True):
            assert sorted(labels.tolist()) == VALUES.tolist()
            np.testing.assert_array_equal(own.numpy(), BOUNDARY[labels.numpy() // 10])


def test_the_budget_of_memory_changes_no_batch() -> None:
    held, read = batches(), batches(memory=10)
    for _ in range(3):
        for ours, theirs in zip(held, read, strict=True):
            assert torch.equal(ours.boundary, theirs.boundary)
            assert torch.equal(ours.values, theirs.values)


@pytest.mark.parametrize("mapped", [False, True])
def test_features_in_memory_are_used_as_they_lie_and_others_gathered_if_they_fit(mapped: bool) -> None:
    boundary, ids = np.zeros((40, 3), np.float32), np.arange(30)
    boundary.flags.writeable = not mapped
    rows = Rows(boundary, CPU, 0)
    assert (rows.held is None) == mapped
    for spare in (0, -1):
        made = Batches(rows, [Labelled(ids, ids, 0)], 8, boundary[ids].nbytes + spare)
        assert (made.source is not None) == (spare == 0 or not mapped)
    if not mapped:
        assert made.source.data_ptr() == boundary.ctypes.data


def test_runs_that_labelled_the_same_images_share_the_gathered_rows() -> None:
    assert len(batches(10**6, 1, 2, 3).source) == len(IDS)


def test_the_order_depends_on_seed_and_epoch_only() -> None:
    def orders(*seeds: int) -> list[list[list[int]]]:
        made = batches(10**6, *seeds)
        return [joined(list(made))[1].tolist() for _ in range(3)]

    torch.manual_seed(0)
    (first,) = zip(*orders(1), strict=True)
    torch.manual_seed(7)
    assert list(zip(*orders(1), strict=True)) == [first]
    beside = list(zip(*orders(2, 1, 5), strict=True))
    assert beside[1] == first
    assert beside[0] != first
    assert len({tuple(order) for order in first}) == 3
