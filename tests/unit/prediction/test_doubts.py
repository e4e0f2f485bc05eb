from __future__ import annotations

import numpy as np
import pytest

from coilal.prediction.doubts import can_judge, doubts, folds

RNG = np.random.default_rng


def sampled(
    images: int, classes: int, error_rate: float, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return probabilities that are right most of the time, what was told, and whether that is wrong."""
    generator = RNG(seed)
    true = generator.integers(classes, size=images)
    logits = generator.normal(0, 1, (images, classes)) + 3 * np.eye(classes)[true]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wrong = generator.random(images) < error_rate
    return probabilities, np.where(wrong, (true + 1) % classes, true), wrong


def test_the_normalised_margin_orders_the_images() -> None:
    probabilities, told, _ = sampled(300, 4, 0.1)
    found = doubts(probabilities, told)
    for place in range(300):
        others = np.delete(probabilities[place], told[place])
        assert found.doubt[place] == pytest.approx((1 + others.max() - probabilities[place, told[place]]) / 2)
        assert found.told_probability[place] == probabilities[place, told[place]]
        assert found.suggested[place] == probabilities[place].argmax()
    assert (np.diff(found.doubt[found.order]) <= 0).all()


def test_each_label_of_an_image_is_a_question_of_its_own() -> None:
    probabilities = np.array([[0.9, 0.2], [0.8, 0.1], [0.7, 0.6]])
    told = np.array([[1, 1], [1, 0], [0, 1]])
    found = doubts(probabilities, told)
    assert found.doubt == pytest.approx([0.8, 0.2, 0.7])
    assert found.told_probability == pytest.approx([0.2, 0.8, 0.3])
    assert found.suggested.tolist() == [[1, 0], [1, 0], [1, 1]]


def test_what_no_model_could_judge_is_left_out() -> None:
    probabilities, told, _ = sampled(50, 3, 0.1)
    whole = doubts(probabilities[10:], told[10:])
    probabilities[:10] = np.nan
    found = doubts(probabilities, told)
    assert set(found.order.tolist()) == set(range(10, 50))
    assert found.doubt[10:].tolist() == whole.doubt.tolist()
    assert found.suggested[:10].tolist() == told[:10].tolist()
    labels = doubts(np.array([[np.nan, 0.4], [np.nan, np.nan]]), np.array([[1, 1], [0, 1]]))
    assert labels.doubt[0] == pytest.approx(0.6)
    assert labels.order.tolist() == [0]


def test_no_group_stands_on_both_sides_and_each_image_is_held_out_once() -> None:
    groups = [f"coil{number}" for number in RNG(0).integers(9, size=80)]
    divisions = [list(folds(groups, 5, seed)) for seed in (0, 1)]
    for division in divisions:
        assert len(division) == 5
        assert sorted(np.concatenate([held for _, held in division]).tolist()) == list(range(80))
        for kept, held in division:
            assert not {groups[place] for place in kept} & {groups[place] for place in held}
    assert divisions[0][0][1].tolist() != divisions[1][0][1].tolist()
    assert len(list(folds(["a", "b", "a"], 5, 0))) == 2


def test_who_has_not_seen_a_class_cannot_judge_it() -> None:
    assert can_judge(np.array([0, 1]), np.array([1, 2, 0])).tolist() == [True, False, True]
    labels = can_judge(np.array([[0, 1], [1, 1]]), np.array([[0, 1], [1, 0]]))
    assert labels.tolist() == [[True, False], [True, False]]
