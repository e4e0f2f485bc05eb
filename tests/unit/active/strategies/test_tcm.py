from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coilal.active.strategies.multiclass import margin
from coilal.active.strategies.tcm import tcm
from coilal.active.strategies.typiclust import typiclust
from tests.pools import normal, pool_of


@pytest.mark.proof("tcm", by="equal picks with typiclust, then margin")
@pytest.mark.parametrize(("cycle", "expected"), [(1, typiclust), (3, typiclust), (4, margin), (12, margin)])
def test_typical_images_in_three_cycles_and_uncertain_ones_from_then_on(cycle: int, expected) -> None:  # type: ignore[no-untyped-def]
    outputs = replace(pool_of(normal(60, 4), 5, logits=normal(60, 3, seed=1)), cycle=cycle)
    chosen, other = (ask(outputs, 7, np.random.default_rng(0)) for ask in (lambda *a: tcm(*a, typical=3), expected))
    assert chosen.ids.tolist() == other.ids.tolist()
