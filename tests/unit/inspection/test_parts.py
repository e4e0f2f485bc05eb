"""Decisions for parts: what their views are, or by a threshold of their own."""

from __future__ import annotations

import numpy as np
import pytest

from coilal.inspection.operating_point import Classes, OperatingPoint, decide, default_point
from coilal.inspection.parts import PartRule, decide_parts, part_rule
from tests.unit.inspection.test_operating_point import GAP_DENT, OK_GAP_DENT, of_faults


def test_a_part_is_faulty_if_any_view_is() -> None:
    probabilities = np.array(
        [[0.9, 0.1, 0.0], [0.3, 0.1, 0.6], [0.8, 0.2, 0.0], [0.45, 0.4, 0.15], [0.7, 0.3, 0.0]]
    )
    groups = ["b", "a", "b", "a", "c"]
    decided = decide(OK_GAP_DENT, OperatingPoint((0.5,), "why"), probabilities)
    parts = decide_parts(OK_GAP_DENT, groups, probabilities, decided)
    assert parts.groups == ("a", "b", "c")
    assert parts.views.tolist() == [2, 2, 1]
    assert parts.decisions.texts == ("dent", "ok", "ok"), "of the view with the largest fault probability"
    assert parts.decisions.scores == pytest.approx([0.7, 0.2, 0.3])
    assert parts.faulty_views is not None
    assert parts.faulty_views.tolist() == [2, 0, 0]
    np.testing.assert_allclose(parts.probabilities[0], [0.45, 0.4, 0.6])


def test_a_view_that_is_taken_for_faulty_decides_before_one_with_a_larger_sum() -> None:
    probabilities = np.array([[0.36, 0.32, 0.32], [0.4, 0.6, 0.0]])  # the first is ok, with 0.64 of faults
    decided = decide(OK_GAP_DENT, default_point(OK_GAP_DENT, "why"), probabilities)
    parts = decide_parts(OK_GAP_DENT, ["a", "a"], probabilities, decided)
    assert decided.texts == ("ok", "gap")
    assert parts.decisions.texts == ("gap",)


def test_a_part_has_the_labels_of_all_its_views() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.7], [0.1, 0.2]])
    decided = decide(GAP_DENT, default_point(GAP_DENT, "why"), probabilities)
    parts = decide_parts(GAP_DENT, ["a", "a", "b"], probabilities, decided)
    assert parts.decisions.texts == ("gap+dent", "none")
    assert parts.decisions.scores == pytest.approx([0.9, 0.2])


def test_without_a_fault_free_class_the_surest_view_decides() -> None:
    classes = Classes("multiclass", ("red", "blue"), None)
    probabilities = np.array([[0.6, 0.4], [0.1, 0.9], [0.7, 0.3]])
    decided = decide(classes, default_point(classes, "why"), probabilities)
    parts = decide_parts(classes, ["a", "a", "b"], probabilities, decided)
    assert decided.texts == ("red", "blue", "red")
    assert parts.decisions.texts == ("blue", "red")
    assert parts.faulty_views is None


def test_the_threshold_of_parts_lets_the_share_of_good_parts_be_rejected() -> None:
    """Ten good parts of two views and two faulty ones: one view in ten is suspected, so one part in five."""
    scores = np.full((12, 2), 0.1)
    scores[:10, 1] = np.linspace(0.11, 0.2, 10)
    scores[10:, 0] = (0.9, 0.15)
    groups = np.repeat([f"part{number:02d}" for number in range(12)], 2)
    values = np.zeros((12, 2), dtype=np.int64)
    values[10:, 0] = 1
    rule = part_rule(OK_GAP_DENT, groups.tolist(), of_faults(*scores.ravel()), values.ravel(), 10, top=1)
    assert rule is not None
    assert rule.point.thresholds == pytest.approx([0.19]), "one of ten good parts lies above"
    assert (rule.point.good, rule.point.rejected, rule.point.faulty, rule.point.passed) == (10, 1, 2, 1)
    assert "good validation groups" in rule.point.why
    both = part_rule(OK_GAP_DENT, groups.tolist(), of_faults(*scores.ravel()), values.ravel(), 10, top=2)
    assert both is not None
    assert both.point.thresholds == pytest.approx([0.145]), "means of both views"


def test_without_parts_or_good_ones_there_is_no_rule_for_them() -> None:
    fault = of_faults(0.1, 0.2, 0.9)
    assert part_rule(OK_GAP_DENT, ["a", "b", "c"], fault, np.array([0, 0, 1]), 5, top=1) is None
    assert part_rule(OK_GAP_DENT, ["a", "a", "a"], fault, np.array([0, 0, 1]), 5, top=1) is None
    assert part_rule(OK_GAP_DENT, ["a", "a", "b"], fault, np.array([0, 0, 1]), 5, top=1) is not None


def test_a_part_is_decided_by_its_rule_and_not_by_its_views() -> None:
    fault = of_faults(0.1, 0.6, 0.2, 0.8, 0.7, 0.75)
    groups = ["a", "a", "b", "b", "c", "c"]
    decided = decide(OK_GAP_DENT, OperatingPoint((0.5,), "why"), fault)
    parts = decide_parts(OK_GAP_DENT, groups, fault, decided, PartRule(OperatingPoint((0.7,), "why"), 1))
    assert parts.decisions.texts == ("ok", "gap", "gap")
    assert parts.decisions.scores == pytest.approx([0.6, 0.8, 0.75])
    assert parts.faulty_views is not None
    assert parts.faulty_views.tolist() == [1, 1, 2]
    both = decide_parts(OK_GAP_DENT, groups, fault, decided, PartRule(OperatingPoint((0.7,), "why"), 2))
    assert both.decisions.texts == ("ok", "ok", "gap"), "by the mean of both views"
    alone = decide_parts(OK_GAP_DENT, list("abcdef"), fault, decided, PartRule(OperatingPoint((0.7,), "why"), 1))
    assert alone.decisions.texts == decided.texts, "an image that is a part of its own is decided as an image"


def test_labels_of_a_part_have_a_threshold_each() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.7], [0.6, 0.5]])
    decided = decide(GAP_DENT, default_point(GAP_DENT, "why"), probabilities)
    rule = PartRule(OperatingPoint((0.65, 0.6), "why"), 1)
    parts = decide_parts(GAP_DENT, ["a", "a", "b"], probabilities, decided, rule)
    assert parts.decisions.texts == ("gap+dent", "none")
    assert decided.texts[2] == "gap"
