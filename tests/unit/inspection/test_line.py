"""Figures of a cycle against thresholds by brute force and counts by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit, softmax

from coilal.common.types import Kind, UserError
from coilal.inspection.line import Inspection, Known, Line, effective_size
from coilal.inspection.operating_point import Classes, lowest_thresholds
from coilal.inspection.parts import group_scores

RNG = np.random.default_rng(11)
OK_GAP_DENT = Classes("multiclass", ("ok", "gap", "dent"), 0)
GAP_DENT = Classes("multilabel", ("gap", "dent"), None)


def images(kind: Kind, groups: int, each: int) -> tuple[np.ndarray, Known]:
    """Return logits and what is known of images: half of the groups are fault-free."""
    names = [f"coil{number // each}" for number in range(groups * each)]
    has_fault = (np.arange(groups) % 2 == 1).repeat(each) & (RNG.random(groups * each) < 0.6)
    if kind == "multilabel":
        values = (has_fault[:, None] & (RNG.random((len(names), 2)) < 0.7)).astype(np.int64)
        return RNG.normal(-2, 1.5, values.shape) + 2.5 * values, Known.of(values, names)
    values = has_fault * RNG.integers(1, 3, len(names))
    logits = RNG.normal(0, 1.5, (len(names), 3))
    logits[np.arange(len(names)), values] += 2
    return logits, Known.of(values, names)


def by_hand(good: np.ndarray, scores: np.ndarray, test_good: np.ndarray, test: np.ndarray, overkill: float) -> dict:
    """Return escapes and overkill at the lowest rank of thresholds that keeps the share, tried one by one."""
    ranked = -np.sort(-scores[good], axis=0)
    allowed = math.floor(overkill / 100 * good.sum() + 1e-9)
    fitting = [row for row in ranked if (scores[good] > row).any(1).sum() <= allowed]
    flagged = (test > fitting[-1]).any(1)
    return {
        "threshold": fitting[-1],
        "escaped": (~flagged[~test_good]).sum(),
        "rejected": flagged[test_good].sum(),
        "escape_rate": (~flagged[~test_good]).mean(),
        "overkill_rate": flagged[test_good].mean(),
    }


@pytest.mark.parametrize(("kind", "classes"), [("multiclass", OK_GAP_DENT), ("multilabel", GAP_DENT)])
@pytest.mark.parametrize("overkill", [0, 5, 20])
@pytest.mark.parametrize("top", [1, 2])
def test_escapes_and_overkill_are_those_of_thresholds_tried_one_by_one(
    kind: Kind, classes: Classes, overkill: float, top: int
) -> None:
    validation, known = images(kind, 30, 4)
    test, asked = images(kind, 40, 5)
    found = Line(classes, Inspection(overkill, top), known, asked).figures(validation, test)
    if kind == "multilabel":
        scores = [expit(validation), expit(test)]
        good = [(each.values == 0).all(1) for each in (known, asked)]
    else:
        scores = [1 - softmax(each, axis=1)[:, :1] for each in (validation, test)]
        good = [each.values == 0 for each in (known, asked)]
    expected = by_hand(good[0], scores[0], good[1], scores[1], overkill)
    thresholds = [value for name, value in found.items() if name.startswith("val/point/threshold")]
    np.testing.assert_allclose(thresholds, expected.pop("threshold"))
    assert {name: found[f"test/point/{name}"] for name in expected} == pytest.approx(expected)
    assert found["val/point/rejected"] <= overkill / 100 * found["val/point/good"]
    shapes = [(30, 4), (40, 5)]
    of_groups = [
        -np.sort(-each.reshape(*shape, -1), axis=1)[:, :top].mean(1)
        for each, shape in zip(scores, shapes, strict=True)
    ]
    sound = [each.reshape(shape).all(1) for each, shape in zip(good, shapes, strict=True)]
    expected = by_hand(sound[0], of_groups[0], sound[1], of_groups[1], overkill)
    del expected["threshold"]
    assert {name: found[f"test/group/{name}"] for name in expected} == pytest.approx(expected)
    assert found["test/group/faulty"] + found["test/group/good"] == 40
    assert all(name.startswith(("test/", "val/")) for name in found)


def test_test_images_change_no_threshold() -> None:
    validation, known = images("multiclass", 20, 4)
    test, asked = images("multiclass", 20, 4)
    line = Line(OK_GAP_DENT, Inspection(), known, asked)
    one, other = line.figures(validation, test), line.figures(validation, test[::-1] * 3)
    assert {name: one[name] for name in one if name.startswith("val/")} == {
        name: other[name] for name in other if name.startswith("val/")
    }


def test_without_a_fault_free_class_only_calibration_is_known() -> None:
    validation, known = images("multiclass", 20, 4)
    classes = Classes("multiclass", ("red", "blue", "green"), None)
    found = Line(classes, Inspection(), known, known).figures(validation, validation)
    assert {name.split("/")[1] for name in found} == {"calibration"}


def test_without_a_fault_free_validation_image_there_is_no_threshold() -> None:
    test, asked = images("multiclass", 20, 4)
    known = Known(np.array([1, 2]), np.array([0, 1]))
    found = Line(OK_GAP_DENT, Inspection(), known, asked).figures(test[:2], test)
    assert found["val/point/good"] == 0
    assert found["test/point/faulty"] > 0
    for name in ("escape_rate", "overkill_rate", "escaped", "rejected", "faulty_effective"):
        assert math.isnan(found[f"test/point/{name}"])
    assert math.isnan(found["test/group/escape_rate"])


@pytest.mark.parametrize(("value", "lacking"), [(0, "escape_rate"), (1, "overkill_rate")])
def test_what_has_no_denominator_is_nan(value: int, lacking: str) -> None:
    validation, known = images("multiclass", 20, 4)
    asked = Known(np.full(8, value), np.arange(8) // 4)
    found = Line(OK_GAP_DENT, Inspection(), known, asked).figures(validation, validation[:8])
    rates = {name for name in ("escape_rate", "overkill_rate") if math.isnan(found[f"test/point/{name}"])}
    assert rates == {lacking}


def test_groups_of_one_image_have_no_figures_of_their_own() -> None:
    validation, known = images("multilabel", 30, 1)
    found = Line(GAP_DENT, Inspection(), known, known).figures(validation, validation)
    assert not [name for name in found if "/group/" in name]
    assert found["test/point/faulty_effective"] == found["test/point/faulty"]


def test_the_score_of_a_group_is_the_mean_of_its_largest() -> None:
    scores = np.array([[0.1, 0.9], [0.5, 0.2], [0.3, 0.4], [0.8, 0.6]])
    groups = np.array([1, 1, 1, 0])
    np.testing.assert_allclose(group_scores(scores, groups, 1), [[0.8, 0.6], [0.5, 0.9]])
    np.testing.assert_allclose(group_scores(scores, groups, 2), [[0.8, 0.6], [0.4, 0.65]])


def test_ties_of_good_images_stay_on_one_side() -> None:
    assert lowest_thresholds(np.array([[0.1], [0.3], [0.3], [0.3]]), 25) == [0.3]


def test_images_that_are_alike_in_a_group_count_as_one() -> None:
    groups = np.arange(20).repeat(5)
    alike = (np.arange(20) < 6).repeat(5)
    assert effective_size(alike, groups) == pytest.approx(19, abs=0.01), "20 groups, one for the estimated mean"
    assert effective_size(np.zeros(100, dtype=bool), groups) == 20, "nothing shows how alike they are"
    mixed = RNG.random(100_000) < 0.3
    assert effective_size(mixed, np.arange(10_000).repeat(10)) == pytest.approx(100_000, rel=0.1)
    assert effective_size(mixed[:50], np.arange(50)) == 50
    assert effective_size(np.array([True, False]), np.zeros(2, dtype=int)) == 1


def test_the_design_effect_is_that_of_a_jackknife_over_groups() -> None:
    groups = RNG.integers(0, 40, 300)
    flags = RNG.random(300) < (groups % 3 + 1) / 5
    shares = np.array([flags[groups != each].mean() for each in range(40)])
    variance = 39 / 40 * ((shares - shares.mean()) ** 2).sum()
    p = flags.mean()
    assert effective_size(flags, groups) == pytest.approx(p * (1 - p) / variance, rel=0.05)


@pytest.mark.parametrize("wrong", [{"overkill": 100}, {"overkill": -1}, {"top": 0}])
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match="inspection"):
        Inspection(**wrong)  # type: ignore[arg-type]
