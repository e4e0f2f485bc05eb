"""Agreement with modAL where the name says so, and difference where it does not."""

from __future__ import annotations

import modAL.multilabel
import numpy as np
import pytest
from scipy.special import expit

from coilal.active.outputs import PoolOutputs, QueryFunction
from coilal.active.strategies import modal, multilabel

LOGITS = np.random.default_rng(3).normal(scale=2, size=(300, 3))


class Classifier:
    """Stands for the sklearn classifier that modAL asks; X is the logits."""

    def predict_proba(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        return expit(X)

    def predict(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        return (X > 0).astype(int)


def chosen(strategy: QueryFunction, batch_size: int) -> list[int]:
    outputs = PoolOutputs("multilabel", np.arange(len(LOGITS)), LOGITS)
    return strategy(outputs, batch_size, np.random.default_rng(0)).ids.tolist()


def chosen_by_modal(name: str, batch_size: int) -> set[int]:
    rows, _ = getattr(modAL.multilabel, name)(Classifier(), LOGITS, n_instances=batch_size, random_tie_break=False)
    return set(rows.tolist())


@pytest.mark.proof("modal_avg_confidence", "modal_avg_score", "modal_max_score", by="equal picks with modAL")
@pytest.mark.parametrize("batch_size", [1, 10, 150, 299])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (multilabel.avg_score, "avg_confidence"),  # what modal_avg_confidence.yaml points to
        (modal.modal_avg_score, "avg_score"),
        (modal.modal_max_score, "max_score"),
    ],
)
def test_agrees_with_modal(ours: QueryFunction, theirs: str, batch_size: int) -> None:
    assert set(chosen(ours, batch_size)) == chosen_by_modal(theirs, batch_size)


@pytest.mark.parametrize("name", ["avg_score", "max_score"])
def test_scores_are_those_of_modal(name: str) -> None:
    outputs = PoolOutputs("multilabel", np.arange(len(LOGITS)), LOGITS)
    selection = getattr(modal, f"modal_{name}")(outputs, 20, np.random.default_rng(0))
    _, scores = getattr(modAL.multilabel, name)(Classifier(), LOGITS, n_instances=20, random_tie_break=False)
    np.testing.assert_allclose(selection.scores, np.sort(scores)[::-1], atol=1e-14)


def test_published_definitions_differ_from_those_of_modal_that_have_their_names() -> None:
    for name in ("avg_confidence", "avg_score"):
        assert set(chosen(getattr(multilabel, name), 30)) != chosen_by_modal(name, 30)
    # The largest score is that of the surest positive in both, as long as there is a positive label.
    positives = int((LOGITS > 0).any(axis=1).sum())
    assert set(chosen(multilabel.max_score, 30)) == chosen_by_modal("max_score", 30)
    assert set(chosen(multilabel.max_score, positives + 10)) != chosen_by_modal("max_score", positives + 10)
