from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from coilal.fit.rows import Rows

FEATURES = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)


@pytest.fixture(params=["in memory", "mapped"])
def rows(request: pytest.FixtureRequest, tmp_path: Path) -> Rows:
    np.save(tmp_path / "features.npy", FEATURES)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    return Rows(FEATURES.copy() if request.param == "in memory" else mapped, torch.device("cpu"), 0)


def test_rows_of_ids_and_blocks_are_those_of_the_array_and_nothing_is_warned_of(rows: Rows) -> None:
    ids = np.array([7, 3, 49, 0, 11])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        taken, some = rows.take(ids), list(rows.blocks(2, ids))
        whole = list(rows.blocks(16))
    np.testing.assert_array_equal(taken.numpy(), FEATURES[ids])
    np.testing.assert_array_equal(torch.cat(some).numpy(), FEATURES[ids])
    np.testing.assert_array_equal(torch.cat(whole).numpy(), FEATURES)
    assert [len(block) for block in some] == [2, 2, 1]
    assert [len(block) for block in whole] == [16, 16, 16, 2]
    assert rows.are_features
    assert len(rows) == 50


def test_what_is_in_memory_is_not_copied_on_a_cpu() -> None:
    held = Rows(FEATURES.copy(), torch.device("cpu"), 0)
    assert held.held is not None
    assert held.held.data_ptr() == held.boundary.ctypes.data  # type: ignore[attr-defined]
