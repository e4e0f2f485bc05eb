from __future__ import annotations

import numpy as np
import pytest

from coilal.active.labels import Prediction
from coilal.active.predictions import DIGITS, prediction, predictions

NAMES = ("none", "gap", "dent")


def test_of_classes_it_is_the_most_probable_one() -> None:
    logits = np.log(np.array([[0.2, 0.5, 0.3], [0.98765, 0.01, 0.00235]])) + 7
    first, second = predictions(logits, NAMES, "multiclass")
    assert (first.label, second.label) == ("gap", "none")
    assert first.confidence == pytest.approx(0.5)
    assert second.confidence == round(0.98765, DIGITS)


def test_of_labels_they_are_those_above_one_half_and_the_least_sure_answer_counts() -> None:
    probabilities = np.array([[0.9, 0.4, 0.2], [0.1, 0.05, 0.3], [0.8, 0.7, 0.99]])
    found = predictions(np.log(probabilities / (1 - probabilities)), NAMES, "multilabel")
    assert found == (Prediction(("none",), 0.6), Prediction((), 0.7), Prediction(NAMES, 0.7))


def test_sure_logits_are_no_overflow() -> None:
    sure = np.array([[1e4, -1e4, 0.0]], dtype=np.float32)
    assert predictions(sure, NAMES, "multiclass") == (Prediction("none", 1.0),)
    assert predictions(sure, NAMES, "multilabel") == (Prediction(("none",), 0.5),)


def test_what_is_shown_to_people_is_not_rounded() -> None:
    assert prediction(np.array([0.123456, 0.876544]), NAMES[:2], "multiclass").confidence == 0.876544
