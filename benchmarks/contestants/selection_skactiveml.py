"""scikit-activeml's query strategies on given logits and features."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from skactiveml.base import SkactivemlClassifier
from skactiveml.pool import Badge, CoreSet, TypiClust, UncertaintySampling

if TYPE_CHECKING:
    from benchmarks.contestants.selection import Inputs

BATCH = 100


class Known(SkactivemlClassifier):
    """A classifier whose inputs end in its logits: only the selection is left to be paid for."""

    def fit(self, X: NDArray[np.float64], y: NDArray[np.float64], sample_weight: object = None) -> Known:  # noqa: ARG002, N803
        """Learn nothing."""
        return self

    def predict_proba(self, X: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: N803
        """Return the softmax of the last inputs, one for each class."""
        return softmax(X[:, -len(self.classes) :], axis=1)


def select(strategy: str) -> Callable[[Inputs], NDArray[np.int64]]:
    """Return the function from inputs to the rows chosen."""
    if strategy in ("margin", "entropy"):
        method = {"margin": "margin_sampling", "entropy": "entropy"}[strategy]
        by_outputs = UncertaintySampling(method=method, random_state=0)
        return lambda inputs: by_outputs.query(
            inputs.logits[: inputs.rows],
            np.full(inputs.rows, np.nan),
            known(inputs),
            fit_clf=False,
            batch_size=BATCH,
        )
    if strategy == "badge":
        return _badge
    on_features = {"coreset": CoreSet, "typiclust": TypiClust}[strategy](random_state=0)
    return lambda inputs: on_features.query(inputs.features, labels(inputs), batch_size=BATCH)


def _badge(inputs: Inputs) -> NDArray[np.int64]:
    """Return the rows by BADGE; its classifier sees features and logits side by side."""
    both = np.concatenate([inputs.features, inputs.logits], axis=1)
    chosen = Badge(random_state=0).query(both, labels(inputs), known(inputs), fit_clf=False, batch_size=BATCH)
    return np.asarray(chosen)


def known(inputs: Inputs) -> Known:
    """Return the classifier."""
    return Known(classes=list(range(inputs.logits.shape[1])))


def labels(inputs: Inputs) -> NDArray[np.float64]:
    """Return NaN for each image of the pool, and a class for the labelled ones."""
    found = np.full(len(inputs.logits), np.nan)
    found[inputs.rows :] = 0
    return found
