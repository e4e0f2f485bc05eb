"""The benchmark of queries side by side measures the strategies as they are called, and as they would be."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import side_by_side
from coilal.active.strategies.strategy import Strategy


@pytest.mark.slow
def test_a_row_has_the_seconds_alone_and_beside_others_of_both() -> None:
    (row,) = side_by_side.rows_of(["coreset"], 2)
    assert row.startswith("| `coreset` | ")
    cells = row.strip("| ").split(" | ")[1:]
    assert len(cells) == 4
    assert all(float(cell.removesuffix(" s")) > 0 for cell in cells)


@pytest.mark.parametrize("name", side_by_side.STRATEGIES)
def test_both_ways_choose_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "IMAGES", 300)
    monkeypatch.setattr(side_by_side, "WIDTH", 32)
    seen = side_by_side.outputs()
    called, bare = (side_by_side.query(name, as_it_is) for as_it_is in (True, False))
    assert isinstance(called, Strategy)
    assert not isinstance(bare, Strategy)
    one, other = (choose(seen, 5, np.random.default_rng(0)) for choose in (called, bare))
    np.testing.assert_array_equal(one.ids, other.ids)
