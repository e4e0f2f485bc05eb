"""The benchmark of queries side by side measures the strategies as they are called, and as they would be."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import side_by_side
from coilal.active.strategies.strategy import Strategy


@pytest.mark.slow
def test_processes_choose_side_by_side_and_the_slowest_one_counts() -> None:
    assert 0 < side_by_side.seconds_of("coreset", True, 2) < 60


def test_a_row_has_both_ways_alone_and_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {(True, 1): 0.25, (True, 3): 0.5, (False, 1): 0.125, (False, 3): 2.0}
    monkeypatch.setattr(side_by_side, "seconds_of", lambda name, as_it_is, processes: seen[as_it_is, processes])
    (row,) = side_by_side.rows_of(["bait"], 3)
    assert row == "| `bait` | 0.250 s | 0.500 s | 0.125 s | 2.000 s |"


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
