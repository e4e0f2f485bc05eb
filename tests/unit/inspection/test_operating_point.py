"""Thresholds from validation images, and decisions for images."""

from __future__ import annotations

import numpy as np
import pytest

from coilal.inspection.operating_point import (
    Classes,
    OperatingPoint,
    decide,
    default_point,
    operating_point,
)

OK_GAP_DENT = Classes("multiclass", ("ok", "gap", "dent"), 0)
GAP_DENT = Classes("multilabel", ("gap", "dent"), None)


def of_faults(*faulty: float) -> np.ndarray:
    """Return probabilities of ok, gap and dent: a third of the fault is dent."""
    fault = np.array(faulty)
    return np.stack([1 - fault, fault * 2 / 3, fault / 3], axis=1)


def test_the_threshold_is_the_lowest_that_keeps_the_share_of_good_images() -> None:
    good, faulty = np.linspace(0.01, 0.40, 40), [0.385, 0.395, 0.9]
    values = np.array([0] * 40 + [1, 2, 1])
    point = operating_point(OK_GAP_DENT, of_faults(*good, *faulty), values, overkill=5)
    assert point.thresholds == pytest.approx([0.38]), "two of forty lie above"
    assert (point.good, point.rejected) == (40, 2)
    assert (point.faulty, point.passed) == (3, 0)
    stricter = operating_point(OK_GAP_DENT, of_faults(*good, *faulty), values, overkill=2.4)
    assert stricter.thresholds == pytest.approx([0.40]), "a share below one image is none"
    assert (stricter.rejected, stricter.passed) == (0, 2)
    assert "none of them may be" in stricter.why


def test_equal_probabilities_of_good_images_stay_on_one_side() -> None:
    point = operating_point(OK_GAP_DENT, of_faults(0.1, 0.3, 0.3, 0.3, 0.5), np.zeros(5, dtype=int), overkill=40)
    assert point.thresholds == pytest.approx([0.3])
    assert point.rejected == 1


def test_labels_share_what_may_be_rejected_together() -> None:
    rng = np.random.default_rng(7)
    good = rng.random((200, 2)) * [0.2, 0.9]  # the second label is often suspected
    faulty = np.array([[0.95, 0.1], [0.1, 0.95]])
    values = np.concatenate([np.zeros((200, 2), dtype=int), np.eye(2, dtype=int)])
    point = operating_point(GAP_DENT, np.concatenate([good, faulty]), values, overkill=5)
    assert point.thresholds is not None
    rejected = (good > np.array(point.thresholds)).any(1).sum()
    assert 8 <= rejected == point.rejected <= 10
    each = (good > np.array(point.thresholds)).sum(0)
    assert each[0] == each[1], "each label rejects as many as the other"
    assert point.passed == 0


def test_all_good_images_may_be_rejected() -> None:
    point = operating_point(OK_GAP_DENT, of_faults(0.2, 0.4, 0.6), np.zeros(3, dtype=int), overkill=99.9)
    assert point.thresholds == pytest.approx([0.2])


def test_without_good_images_the_run_is_decided_as_it_was_scored() -> None:
    point = operating_point(OK_GAP_DENT, of_faults(0.6, 0.7), np.array([1, 2]), overkill=5)
    assert point.thresholds is None
    assert "no validation image is fault-free" in point.why
    assert default_point(GAP_DENT, "why").thresholds == (0.5, 0.5)


def test_classes_are_decided_by_the_sum_of_their_faults() -> None:
    probabilities = np.array([[0.5, 0.3, 0.2], [0.4, 0.3, 0.3], [0.2, 0.3, 0.5]])
    by_largest = decide(OK_GAP_DENT, default_point(OK_GAP_DENT, "why"), probabilities)
    assert by_largest.texts == ("ok", "ok", "dent")
    assert by_largest.scores == pytest.approx([0.5, 0.6, 0.8])
    at_half = decide(OK_GAP_DENT, OperatingPoint((0.55,), "why"), probabilities)
    assert at_half.texts == ("ok", "gap", "dent")
    assert at_half.is_faulty is not None
    assert at_half.is_faulty.tolist() == [False, True, True]


def test_labels_are_decided_each_by_its_threshold() -> None:
    decided = decide(GAP_DENT, OperatingPoint((0.3, 0.8), "why"), np.array([[0.4, 0.7], [0.2, 0.9], [0.3, 0.8]]))
    assert decided.texts == ("gap", "dent", "none")
