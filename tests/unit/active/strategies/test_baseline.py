from __future__ import annotations

import numpy as np
import pytest

from coilal.active.outputs import PoolOutputs
from coilal.active.strategies.baseline import random


@pytest.mark.proof("random", by="frequencies of the images drawn")
def test_every_image_is_equally_likely_and_no_score_is_computed() -> None:
    outputs = PoolOutputs("multiclass", np.array([3, 5, 8, 13]))
    counts = np.zeros(14)
    for seed in range(2000):
        selection = random(outputs, 2, np.random.default_rng(seed))
        counts[selection.ids] += 1
        assert np.isnan(selection.scores).all()
    np.testing.assert_allclose(counts[outputs.ids] / 2000, 0.5, atol=0.05)
    assert counts.sum() == 4000
