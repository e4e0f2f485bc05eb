from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from coilal.active.outputs import PoolOutputs, Selection
from coilal.active.strategies.baseline import random
from coilal.active.strategies.best_of import best_of
from coilal.active.strategies.entropy import entropy
from coilal.common.types import IntArray
from tests.pools import normal, pool_of

RNG = np.random.default_rng


@pytest.mark.proof("oracle", by="the best of the batches tried, by hand")
def test_the_batch_that_teaches_most_is_taken() -> None:
    tried: list[IntArray] = []

    def teaches(batches: Sequence[IntArray]) -> list[float]:
        tried.extend(batches)
        return [float((ids % 7).sum()) for ids in batches]

    outputs = pool_of(normal(60, 3), 5, logits=normal(65, 3), tried=teaches)
    selection = best_of(outputs, 6, RNG(0), [random, entropy], 3)
    assert len(tried) == 8
    values = [float((ids % 7).sum()) for ids in tried]
    assert selection.ids.tolist() == tried[int(np.argmax(values))].tolist()
    assert selection.scores.tolist() == [max(values)] * 6
    by_entropy = {tuple(sorted(ids.tolist())) for ids in tried[4:]}
    assert tuple(sorted(entropy(outputs, 6, RNG(1)).ids.tolist())) in by_entropy, "from the whole pool"
    assert len(by_entropy) > 1, "and from parts of it"


def test_a_pool_that_is_hardly_larger_than_a_batch_has_no_halves() -> None:
    calls: list[int] = []

    def query(outputs: PoolOutputs, size: int, generator: np.random.Generator) -> Selection:
        calls.append(len(outputs))
        return random(outputs, size, generator)

    outputs = pool_of(normal(12, 3), logits=normal(12, 3), tried=lambda batches: [0.0] * len(batches))
    assert len(best_of(outputs, 7, RNG(0), [query], 3).ids) == 7
    assert calls == [12]
