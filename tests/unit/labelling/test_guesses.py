from __future__ import annotations

import numpy as np
import pytest

from coilal.labelling.guesses import Guesses


def logits(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def test_a_class_and_its_probability() -> None:
    guesses = Guesses("multiclass", 4)
    guesses.note(np.array([2, 0]), logits([0, np.log(3)], [5, 0]), ("ok", "dent"))
    found = guesses.of(2)
    assert found is not None
    assert found.label == "dent"
    assert found.confidence == pytest.approx(0.75)
    assert guesses.of(1) is None


def test_labels_above_one_half_and_the_least_sure_of_all() -> None:
    guesses = Guesses("multilabel", 2)
    guesses.note(np.array([1]), logits([2, -0.5, 0.1]), ("gap", "dent", "cross"))
    found = guesses.of(1)
    assert found is not None
    assert found.label == ("gap", "cross")
    assert found.confidence == pytest.approx(1 / (1 + np.exp(-0.1)), abs=1e-6)


def test_images_that_a_cycle_did_not_score_keep_theirs_until_there_are_other_classes() -> None:
    guesses = Guesses("multiclass", 3)
    guesses.note(np.array([0, 1]), logits([1, 0], [0, 1]), ("ok", "dent"))
    guesses.note(np.array([1]), logits([1, 0]), ("ok", "dent"))
    assert [guesses.of(number).label for number in (0, 1)] == ["ok", "ok"]  # type: ignore[union-attr]
    guesses.note(np.array([2]), logits([0, 0, 1]), ("cross", "dent", "ok"))
    assert guesses.of(0) is None
    assert guesses.of(2).label == "ok"  # type: ignore[union-attr]
