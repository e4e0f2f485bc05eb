from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coilal.active.features import BLOCK, Features
from tests.pools import normal

ROWS = normal(50, 7)
FEW, MOST = np.array([3, 49, 0]), np.random.default_rng(1).permutation(50)[:40]


@pytest.mark.parametrize("places", [FEW, MOST, np.arange(50), np.arange(0)], ids=["few", "most", "all", "none"])
@pytest.mark.parametrize("standardised", [True, False])
@pytest.mark.parametrize("normalised", [True, False])
def test_rows_lengths_and_products(places: np.ndarray, standardised: bool, normalised: bool) -> None:
    mean, deviation = normal(7, seed=1), np.abs(normal(7, seed=2)) + 0.1
    features = Features(ROWS, places) if standardised else Features(ROWS, places, mean, deviation)
    expected = ROWS[places] if standardised else (ROWS[places] - mean) / deviation
    if normalised:
        features, expected = features.normalised(), expected / np.linalg.norm(expected, axis=1, keepdims=True)
    vectors = normal(2, 7, seed=3)
    assert (len(features), features.width) == (len(places), 7)
    np.testing.assert_allclose(features.take(np.arange(len(places))), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(features.squared_lengths, np.square(expected).sum(1), rtol=1e-5)
    np.testing.assert_allclose(features.products(vectors), expected @ vectors.T, rtol=1e-4, atol=1e-5)
    blocks = [block for _, block in features.blocks(7)]
    np.testing.assert_allclose(np.concatenate([*blocks, expected[:0]]), expected, rtol=1e-5, atol=1e-6)


def test_subsets_and_those_of_the_same_source_joined() -> None:
    features = Features(ROWS, MOST).normalised()
    some, others = features.subset(FEW[2:]), features.subset(np.array([5, 6]))
    joined = some.joined(others)
    np.testing.assert_array_equal(joined.take(np.arange(3)), features.take(np.array([0, 5, 6])))
    with pytest.raises(ValueError, match="another source"):
        some.joined(Features(ROWS.copy(), FEW).normalised())
    with pytest.raises(ValueError, match="another source"):
        some.joined(Features(ROWS, FEW))


def test_a_row_of_zeros_stays_one() -> None:
    rows = np.zeros((2, 3), dtype=np.float32)
    rows[1, 0] = 2
    np.testing.assert_array_equal(
        Features(rows, np.arange(2)).normalised().take(np.arange(2)), [[0, 0, 0], [1, 0, 0]]
    )


def test_half_precision_in_a_file_is_read_in_blocks(tmp_path: Path) -> None:
    stored = np.lib.format.open_memmap(tmp_path / "rows.npy", "w+", np.float16, (BLOCK + 5, 4))
    stored[:] = normal(BLOCK + 5, 4)
    features = Features(stored, np.arange(len(stored)))
    blocks = list(features.blocks())
    assert [block.dtype for _, block in blocks] == [np.dtype(np.float32)] * 2
    assert [len(block) for _, block in blocks] == [BLOCK, 5]
    vector = normal(1, 4, seed=1)
    np.testing.assert_allclose(
        features.products(vector), stored.astype(np.float32) @ vector.T, rtol=1e-4, atol=1e-5
    )
