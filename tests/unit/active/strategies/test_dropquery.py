from __future__ import annotations

import numpy as np
import pytest

from coilal.active.strategies.dropquery import changed, dropquery
from coilal.common.types import Kind
from tests.pools import distances, normal, pool_of

RNG = np.random.default_rng


def passes_of(logits: np.ndarray, changing: np.ndarray, number: int = 3, of: int = 3) -> np.ndarray:
    """Return passes of which some predict otherwise for the images that change."""
    passes = np.repeat(logits[None], of, axis=0)
    passes[:number, changing] *= -1
    return passes


def pool(changing: np.ndarray, number: int, kind: Kind = "multiclass", labels: int = 4):  # type: ignore[no-untyped-def]
    logits = normal(80, labels, seed=1)
    return pool_of(normal(80, 5), kind=kind, logits=logits, passes=passes_of(logits, changing, number))


@pytest.mark.proof("dropquery", by="candidates by hand")
@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_candidates_change_in_more_than_half_of_the_passes(kind: Kind, number: int) -> None:
    changing = np.arange(10, 50)
    outputs = pool(changing, number, kind)
    share = np.zeros(80)
    share[changing] = number / 3
    np.testing.assert_allclose(changed(outputs), share)
    chosen = set((dropquery(outputs, 12, RNG(0)).ids - 100).tolist())
    assert (chosen <= set(changing.tolist())) == (number > 1)


@pytest.mark.proof("dropquery", by="nearest to the centres by hand")
def test_of_each_cluster_of_candidates_the_one_nearest_to_its_centre() -> None:
    centres = 10 * np.eye(5)[:4]
    rows = np.concatenate([centres[np.arange(60) % 4] + normal(60, 5) * 0.5, normal(20, 5) * 0.01])
    logits = normal(80, 3, seed=1)
    outputs = pool_of(rows, logits=logits, passes=passes_of(logits, np.arange(60)))
    nearest = []
    for group in range(4):
        members = rows[:60][group::4]
        nearest.append(group + 4 * int(distances(members, members.mean(0, keepdims=True)).argmin()))
    assert set((dropquery(outputs, 4, RNG(0)).ids - 100).tolist()) == set(nearest)


@pytest.mark.proof("dropquery", by="the least certain by hand")
@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
def test_too_few_candidates_are_joined_by_the_least_certain(kind: Kind) -> None:
    outputs = pool(np.array([3, 40]), 2, kind)
    assert outputs.logits is not None
    chosen = (dropquery(outputs, 6, RNG(0)).ids - 100).tolist()
    assert set(chosen[:2]) == {3, 40}
    if kind == "multiclass":
        top = np.sort(np.exp(outputs.logits) / np.exp(outputs.logits).sum(1, keepdims=True), axis=1)
        doubt = top[:, -1] - top[:, -2]
    else:
        doubt = np.abs(np.tanh(outputs.logits / 2)).mean(axis=1)
    doubt[[3, 40]] = np.inf
    assert chosen[2:] == np.argsort(doubt)[:4].tolist()
