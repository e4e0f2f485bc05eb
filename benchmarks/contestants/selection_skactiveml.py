"""scikit-activeml's uncertainty sampling on given logits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from skactiveml.base import SkactivemlClassifier
from skactiveml.pool import UncertaintySampling

BATCH = 100


class Known(SkactivemlClassifier):
    """A classifier whose inputs are its logits: only the selection is left to be paid for."""

    def fit(self, X: NDArray[np.float64], y: NDArray[np.float64], sample_weight: object = None) -> Known:  # noqa: ARG002, N803
        """Learn nothing."""
        return self

    def predict_proba(self, X: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: N803
        """Return the softmax of the inputs."""
        return softmax(X, axis=1)


def select(method: str) -> Callable[[NDArray[np.float32]], NDArray[np.int64]]:
    """Return the function from logits to the rows chosen."""
    strategy = UncertaintySampling(method=method, random_state=0)

    def chosen(logits: NDArray[np.float32]) -> NDArray[np.int64]:
        labels = np.full(len(logits), np.nan)
        classifier = Known(classes=list(range(logits.shape[1])))
        return strategy.query(logits, labels, classifier, fit_clf=False, batch_size=BATCH)

    return chosen
