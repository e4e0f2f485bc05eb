from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import chisquare

from coilal.active.strategies.bald import mutual_information
from coilal.active.strategies.power import power_bald, power_margin
from tests.pools import normal, pool_of

RNG = np.random.default_rng


@pytest.mark.proof("power_margin", by="frequencies of the images drawn")
def test_the_first_image_is_drawn_in_proportion_to_its_score() -> None:
    logits = normal(8, 3) * 2
    top = np.sort(softmax(logits.astype(np.float64), axis=1), axis=1)
    score = 1 - (top[:, -1] - top[:, -2])
    pool = pool_of(normal(8, 2), logits=logits)
    firsts = [int(power_margin(pool, 1, RNG(seed)).ids[0]) - 100 for seed in range(5000)]
    assert chisquare(np.bincount(firsts, minlength=8), 5000 * score / score.sum()).pvalue > 1e-3


@pytest.mark.proof("power_bald", by="frequencies of the images drawn")
def test_mutual_information_is_drawn_from_in_the_same_way() -> None:
    passes = normal(10, 6, 3)
    pool = pool_of(normal(6, 2), passes=passes)
    score = mutual_information(pool)
    firsts = [int(power_bald(pool, 1, RNG(seed)).ids[0]) - 100 for seed in range(5000)]
    assert chisquare(np.bincount(firsts, minlength=6), 5000 * score / score.sum()).pvalue > 1e-3


def test_images_without_any_score_come_last() -> None:
    passes = np.repeat(normal(1, 6, 3), 4, axis=0)
    passes[:, :2] += normal(4, 2, 3, seed=1)
    for seed in range(20):
        assert set(power_bald(pool_of(normal(6, 2), passes=passes), 2, RNG(seed)).ids.tolist()) == {100, 101}
