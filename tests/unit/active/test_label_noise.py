from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import binomtest, chisquare

from coilal.active.label_noise import Confusion, LabelNoise
from coilal.common.types import Kind, UserError

NAMES = ("gap", "double", "none")
IMAGES = [f"coil{number // 40}/{number}.png" for number in range(4000)]


def told_of(value: int, error_rate: float = 0.0, confusion: Confusion | None = None, seed: int = 0) -> np.ndarray:
    noise = LabelNoise(NAMES, "multiclass", error_rate, confusion, seed)
    return noise.told(np.full(len(IMAGES), value), IMAGES)


def is_like(found: int, of: int, rate: float) -> bool:
    return binomtest(found, of, rate).pvalue > 1e-4


def test_classes_are_wrong_at_the_rate_and_each_other_one_alike() -> None:
    counts = Counter(told_of(1, 0.15).tolist())
    assert is_like(counts[0] + counts[2], len(IMAGES), 0.15)
    assert chisquare([counts[0], counts[2]]).pvalue > 1e-4


def test_classes_of_the_confusion_err_as_it_says_and_others_at_the_rate() -> None:
    confusion = {"gap": {"none": 0.3, "double": 0.1}}
    gap = Counter(told_of(0, 0.05, confusion).tolist())
    assert is_like(gap[2], len(IMAGES), 0.3)
    assert is_like(gap[1], len(IMAGES), 0.1)
    assert is_like(Counter(told_of(2, 0.05, confusion).tolist())[2], len(IMAGES), 0.95)


def test_labels_are_missed_and_invented() -> None:
    values = np.tile([[0, 1, 1]], (len(IMAGES), 1))
    noise = LabelNoise(NAMES, "multilabel", 0.1, {"none": {"miss": 0.4}, "gap": {"false_alarm": 0.2}}, 3)
    wrong = (noise.told(values, IMAGES) != values).sum(axis=0).tolist()
    assert all(is_like(found, len(IMAGES), rate) for found, rate in zip(wrong, (0.2, 0.1, 0.4), strict=True))
    assert not (noise.told(1 - values, IMAGES) != 1 - values)[:, [0, 2]].any(), "a miss is not a false alarm"


@pytest.mark.parametrize(
    ("kind", "values"),
    [("multiclass", np.arange(4000) % 3), ("multilabel", np.eye(3, dtype=int)[np.arange(4000) % 3])],
)
def test_an_image_is_told_the_same_whatever_stands_beside_it(kind: Kind, values: np.ndarray) -> None:
    noise = LabelNoise(NAMES, kind, 0.2, seed=5)
    every = noise.told(values, IMAGES)
    order = np.random.default_rng(0).permutation(len(IMAGES))[:500]
    some = LabelNoise(NAMES, kind, 0.2, seed=5).told(values[order], [IMAGES[place] for place in order])
    assert np.array_equal(some, every[order])
    assert not np.array_equal(LabelNoise(NAMES, kind, 0.2, seed=6).told(values, IMAGES), every)


def test_what_is_wrong_at_one_rate_is_wrong_in_the_same_way_at_a_higher_one() -> None:
    few, many = told_of(0, 0.05), told_of(0, 0.15)
    assert np.array_equal(many[few != 0], few[few != 0])


def test_images_that_are_always_wrong_are_never_told_rightly() -> None:
    assert not (told_of(0, 1.0) == 0).any()
    assert set(told_of(0, 0.0, {"gap": {"double": 0.5, "none": 0.5}}).tolist()) == {1, 2}


@pytest.mark.parametrize(
    ("kind", "confusion", "message"),
    [
        (
            "multiclass",
            {"gpa": {"none": 0.1, "void": 0.1}},
            r"no class of the data: gpa, void\. The data have gap, d",
        ),
        ("multiclass", {"gap": {"none": 0.7, "double": 0.4}}, r"the probabilities of gap sum to 1\.1; at most 1"),
        ("multiclass", {"gap": {"gap": 0.7}}, "gap stands among what gap is told as"),
        ("multiclass", {1: {"none": 0.1}}, "no class of the data: 1"),
        ("multilabel", {"gpa": {"miss": 0.1}}, "no label of the data: gpa"),
        ("multilabel", {"gap": {"none": 0.1}}, "miss .* and false_alarm .*, not none"),
    ],
)
def test_what_does_not_fit_the_data_is_refused(kind: Kind, confusion: Confusion, message: str) -> None:
    with pytest.raises(UserError, match=message):
        LabelNoise(NAMES, kind, 0.0, confusion)
