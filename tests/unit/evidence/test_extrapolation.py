from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import curve_fit

from coilal.evidence.extrapolation import (
    FAMILIES,
    FARTHEST,
    Extrapolation,
    LearningCurve,
    Need,
    Refusal,
    fitted,
    labels_needed,
)

LABELLED = np.arange(16, 305, 24)
TRUTHS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "pow3": lambda n: 0.95 - 1.9 * n**-0.5,
    "exp3": lambda n: 0.92 - 0.5 * np.exp(-n / 120),
    "log2": lambda n: 0.1 + 0.13 * np.log(n),
    "wbl4": lambda n: 0.93 - 0.6 * np.exp(-((n / 90) ** 0.7)),
}


def curve(truth: Callable[[np.ndarray], np.ndarray], noise: float, seeds: int = 10, seed: int = 0) -> LearningCurve:
    """Return the mean of noisy curves, whose runs differ as a whole as well as cycle by cycle."""
    generator = np.random.default_rng(seed)
    rows = (
        truth(LABELLED)
        + generator.normal(0, noise, (seeds, 1))
        + generator.normal(0, noise, (seeds, len(LABELLED)))
    )
    return LearningCurve.of(LABELLED, rows)


@pytest.mark.parametrize("name", TRUTHS)
def test_each_family_finds_a_curve_of_its_own(name: str) -> None:
    exact = LearningCurve(LABELLED, TRUTHS[name](LABELLED), np.zeros(len(LABELLED)))
    farther = np.array([400.0, 600.0])
    assert fitted(name, exact)(farther) == pytest.approx(np.minimum(TRUTHS[name](farther), 1), abs=2e-3)


def test_the_fit_is_that_of_weighted_least_squares() -> None:
    noisy = curve(TRUTHS["exp3"], 0.02)
    u, family = LABELLED / LABELLED[-1], FAMILIES["exp3"]
    sigma = np.maximum(noisy.error, 0.5 * np.median(noisy.error))
    parameters, _ = curve_fit(family.value, u, noisy.mean, family.start, sigma, bounds=(family.low, family.high))
    assert fitted("exp3", noisy)(LABELLED) == pytest.approx(family.value(u, *parameters), abs=1e-4)


@pytest.mark.parametrize("name", TRUTHS)
def test_labels_are_found_where_the_true_curve_reaches_the_target(name: str) -> None:
    truth = TRUTHS[name]
    target = float(truth(np.array([450.0]))[0])
    need = labels_needed(curve(truth, 0.003), target)
    assert isinstance(need, Need)
    assert need.low <= need.labels <= need.high
    assert need.low <= 450 <= need.high
    assert need.labels == pytest.approx(450, rel=0.25)


def test_intervals_cover_what_comes_later() -> None:
    """Of the synthetic curves; of real ones see test_truncated.py."""
    covered = []
    for name, truth in TRUTHS.items():
        for seed in range(10):
            whole = curve(truth, 0.01, seed=seed)
            _, low, high = Extrapolation(whole.first(8)).predicted(LABELLED[8:])
            true = truth(LABELLED[8:])
            covered += [(name, inside) for inside in ((low <= true) & (true <= high)).tolist()]
    assert np.mean([inside for _, inside in covered]) > 0.9


def test_the_interval_widens_with_the_distance() -> None:
    _, low, high = Extrapolation(curve(TRUTHS["exp3"], 0.01)).predicted(np.array([304, 400, 600, 900]))
    assert (np.diff(high - low) > 0).all()


def test_far_beyond_the_labels_no_gain_is_counted_on() -> None:
    """Published curves flatten there more than the families do: tests/truncated.py."""
    _, low, high = Extrapolation(curve(TRUTHS["log2"], 0.002)).predicted(np.array([304, 440, 456, 460, 600]))
    assert low[0] < low[1] < low[2]
    assert (low[3:] <= low[0]).all()
    assert (np.diff(high) > 0).all()


@pytest.mark.parametrize(
    ("curve", "target", "reason"),
    [
        (curve(TRUTHS["exp3"], 0.003).first(5), 0.9, "5 cycles are too few"),
        (curve(TRUTHS["exp3"], 0.003), 0.6, "is reached already"),
        (curve(lambda n: 0.5 + 0 * n, 0.02), 0.9, "does not rise by more than its runs differ"),
        (curve(TRUTHS["exp3"], 0.003), 0.99, r"above what the fitted curve can reach with 2 times the 304 labels"),
        (curve(lambda n: 0.3 + 0.2 * (n > 250) + n / 3000, 0.003), 0.7, "do not tell the later ones"),
        (curve(lambda n: 0.3 + 0.05 * np.log(n), 0.006), 0.624, "no curve is followed farther"),
    ],
)
def test_what_cannot_be_said_is_not_said(curve: LearningCurve, target: float, reason: str) -> None:
    refusal = labels_needed(curve, target)
    assert isinstance(refusal, Refusal)
    assert reason in refusal.reason


def test_a_target_that_the_lower_end_never_reaches_has_an_open_interval() -> None:
    truth = TRUTHS["exp3"]
    need = labels_needed(curve(truth, 0.01, seed=1), float(truth(np.array([480.0]))[0]))
    assert isinstance(need, Need)
    assert np.isinf(need.high)
    assert need.labels < FARTHEST * LABELLED[-1]
