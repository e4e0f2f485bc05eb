from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax
from scipy.stats import entropy as scipy_entropy

from coilal.active.strategies.bald import bald, mutual_information
from tests.pools import normal, pool_of

PASSES = normal(20, 50, 4) * 3


@pytest.mark.proof("bald", by="scipy, both tasks")
def test_mutual_information_of_classes() -> None:
    p = softmax(PASSES.astype(np.float64), axis=2)
    expected = scipy_entropy(p.mean(axis=0), axis=1) - scipy_entropy(p, axis=2).mean(axis=0)
    np.testing.assert_allclose(mutual_information(pool_of(normal(50, 2), passes=PASSES)), expected, atol=1e-12)


def test_mutual_information_of_labels_is_that_of_each_added_up() -> None:
    p = expit(PASSES.astype(np.float64))
    each = np.stack([p, 1 - p])
    expected = (scipy_entropy(each.mean(axis=1)) - scipy_entropy(each).mean(axis=0)).sum(axis=1)
    outputs = pool_of(normal(50, 2), kind="multilabel", passes=PASSES)
    np.testing.assert_allclose(mutual_information(outputs), expected, atol=1e-12)
    assert bald(outputs, 50, np.random.default_rng(0)).ids.tolist() == (np.argsort(-expected) + 100).tolist()


def test_passes_that_agree_tell_nothing_and_sure_ones_that_differ_a_bit() -> None:
    passes = np.zeros((2, 2, 2), dtype=np.float32)
    passes[:, 0] = [300, 0]
    passes[0, 1], passes[1, 1] = [300, 0], [0, 300]
    np.testing.assert_allclose(mutual_information(pool_of(normal(2, 2), passes=passes)), [0, np.log(2)], atol=1e-12)


@pytest.mark.proof("bald", by="equal scores with baal")
def test_the_same_as_baal() -> None:
    heuristics = pytest.importorskip("baal.active.heuristics", reason="baal comes with the group bench")
    p = softmax(PASSES.astype(np.float64), axis=2)
    theirs = heuristics.BALD().compute_score(np.moveaxis(p, 0, 2))
    np.testing.assert_allclose(mutual_information(pool_of(normal(50, 2), passes=PASSES)), theirs, atol=1e-6)
