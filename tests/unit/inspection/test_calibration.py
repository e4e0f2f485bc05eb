"""Calibration against torchmetrics, scipy and a bin-by-bin count."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, softmax
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

from coilal.common.types import Kind
from coilal.inspection.calibration import (
    BINS,
    COLDEST,
    HOTTEST,
    expected_calibration_error,
    pooled,
    reliability,
    scaled,
    temperature,
)

RNG = np.random.default_rng(3)


def told(kind: Kind, images: int, names: int, true_heat: float) -> tuple[np.ndarray, np.ndarray]:
    """Return logits of a model that is as much too sure as a temperature says, and what is true."""
    logits = RNG.normal(0, 2, (images, names))
    if kind == "multilabel":
        return logits * true_heat, (RNG.random((images, names)) < expit(logits)).astype(np.int64)
    chosen = [RNG.choice(names, p=row) for row in softmax(logits, axis=1)]
    return logits * true_heat, np.array(chosen)


def test_ece_of_classes_is_that_of_torchmetrics() -> None:
    logits, values = told("multiclass", 400, 5, 2.0)
    probabilities = softmax(logits, axis=1)
    expected = multiclass_calibration_error(torch.tensor(probabilities), torch.tensor(values), 5, n_bins=BINS)
    assert expected_calibration_error("multiclass", probabilities, values) == pytest.approx(float(expected))


def test_ece_of_labels_is_the_mean_over_labels_of_torchmetrics() -> None:
    logits, values = told("multilabel", 400, 3, 2.0)
    probabilities = expit(logits)
    each = [
        float(binary_calibration_error(torch.tensor(p), torch.tensor(v), n_bins=BINS))
        for p, v in zip(probabilities.T, values.T, strict=True)
    ]
    assert expected_calibration_error("multilabel", probabilities, values) == pytest.approx(np.mean(each))


def test_reliability_counts_bin_by_bin() -> None:
    found = reliability(np.array([0.0, 0.1, 0.25, 0.3, 1.0]), np.array([False, True, True, False, True]), bins=4)
    assert found.count.tolist() == [3, 1, 0, 1], "a bin holds its upper edge"
    np.testing.assert_allclose(found.confidence, [0.35 / 3, 0.3, np.nan, 1.0])
    np.testing.assert_allclose(found.accuracy, [2 / 3, 0.0, np.nan, 1.0])
    assert found.error == pytest.approx((3 * abs(2 / 3 - 0.35 / 3) + 0.3 + 0) / 5)


def test_pooled_cases_are_those_of_one_set() -> None:
    confidence, true = RNG.random(50) ** 3, RNG.random(50) < 0.4
    several = [reliability(confidence[:7], true[:7]), reliability(confidence[7:], true[7:])]
    whole, together = reliability(confidence, true), pooled(several)
    assert together.error == pytest.approx(whole.error)
    np.testing.assert_allclose(together.accuracy, whole.accuracy)


def nll(kind: Kind, logits: np.ndarray, values: np.ndarray) -> float:
    if kind == "multilabel":
        return float(np.logaddexp(0, np.where(values == 1, -logits, logits)).mean())
    return -float(log_softmax(logits, axis=1)[np.arange(len(values)), values].mean())


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
@pytest.mark.parametrize("true_heat", [0.3, 1.0, 6.0])
def test_the_temperature_is_that_of_a_general_minimiser(kind: Kind, true_heat: float) -> None:
    logits, values = told(kind, 300, 4, true_heat)
    found = minimize_scalar(
        lambda heat: nll(kind, logits / heat, values), bounds=(COLDEST, HOTTEST), method="bounded"
    )
    assert temperature(kind, logits, values) == pytest.approx(found.x, rel=1e-3)


def test_the_temperature_of_a_model_that_is_too_sure_makes_it_honest() -> None:
    logits, values = told("multiclass", 4000, 4, 3.0)
    heat = temperature("multiclass", logits[:2000], values[:2000])
    assert heat == pytest.approx(3.0, rel=0.1)
    before = softmax(logits[2000:], axis=1)
    after = scaled("multiclass", before, heat)
    np.testing.assert_allclose(after, softmax(logits[2000:] / heat, axis=1), atol=1e-12)
    errors = [expected_calibration_error("multiclass", each, values[2000:]) for each in (before, after)]
    assert errors[1] < 0.04 < 0.1 < errors[0]


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
def test_scaling_probabilities_is_scaling_logits_where_they_are_sure_too(kind: Kind) -> None:
    logits = np.array([[900.0, -900.0], [30.0, -20.0], [0.1, 0.2]])
    of = {"multiclass": lambda z: softmax(z, axis=1), "multilabel": expit}[kind]
    np.testing.assert_allclose(scaled(kind, of(logits), 2.0), of(logits / 2.0), rtol=1e-6, atol=1e-9)


def test_the_temperature_ends_where_it_is_allowed_to() -> None:
    sure = np.array([[2.0, 0.0], [0.0, 2.0]])
    assert temperature("multiclass", sure, np.array([0, 1])) == COLDEST, "all are told right"
    assert temperature("multiclass", sure, np.array([1, 0])) == HOTTEST, "all are told wrong"
    assert temperature("multiclass", np.zeros((3, 2)), np.array([0, 1, 0])) == HOTTEST, "nothing is told"
    assert np.isnan(temperature("multiclass", np.zeros((0, 2)), np.zeros(0, dtype=int)))
