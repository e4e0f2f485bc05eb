from __future__ import annotations

import numpy as np
import pytest

from coilal.active.pool import Pool


def ids(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_batches_move_from_unlabelled_to_labelled_and_keep_their_order() -> None:
    pool = Pool(ids(9, 2, 30, 5))
    pool.label(ids(30, 2))
    pool.label(ids(5))
    assert pool.labelled.tolist() == [2, 5, 30]
    assert pool.unlabelled.tolist() == [9]
    assert [batch.tolist() for batch in pool.batches] == [[30, 2], [5]]
    assert len(pool) == 4
    assert pool.labelled.dtype == pool.unlabelled.dtype == np.int64


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (ids(5, 3), "not in the pool: 3"),
        (ids(31), "not in the pool: 31"),
        (ids(-1), "not in the pool: -1"),
        (ids(5, 9, 5), "occur twice in the batch: 5"),
        (ids(9, 2), "labelled already: 2"),
    ],
)
def test_a_wrong_batch_is_refused_and_moves_nothing(batch: np.ndarray, message: str) -> None:
    pool = Pool(ids(2, 5, 9, 30))
    pool.label(ids(2))
    with pytest.raises(ValueError, match=message):
        pool.label(batch)
    assert pool.labelled.tolist() == [2]
    assert len(pool.batches) == 1


def test_a_pool_with_an_image_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="occur twice in the pool: 4"):
        Pool(ids(4, 1, 4))


def test_arrays_that_are_handed_in_or_out_are_not_shared() -> None:
    given, batch = ids(3, 1, 2), ids(2)
    pool = Pool(given)
    pool.label(batch)
    batch[0] = 1
    pool.batches[0][0] = 1
    pool.unlabelled[0] = 99
    assert given.tolist() == [3, 1, 2]
    assert pool.batches[0].tolist() == [2]
    assert pool.unlabelled.tolist() == [1, 3]


def test_the_whole_pool_can_be_labelled() -> None:
    pool = Pool(ids(1, 2))
    pool.label(ids(2, 1))
    assert pool.unlabelled.tolist() == []
