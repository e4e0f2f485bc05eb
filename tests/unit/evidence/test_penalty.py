from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from coilal.evidence.penalty import column_means, penalty_matrix

GENERATOR = np.random.default_rng(0)
SHIFTS = {"random": 0.0, "good": 0.05, "bad": -0.02}
CURVES = {name: shift + GENERATOR.normal(0, 0.03, (8, 6)) for name, shift in SHIFTS.items()}


def matrix():
    return penalty_matrix(list(CURVES), lambda i, j: CURVES[i] - CURVES[j])


def test_agrees_with_the_definition_written_out() -> None:
    found = matrix()
    for i in CURVES:
        for j in CURVES:
            wins = 0
            for checkpoint in range(1, 6):
                one, other = CURVES[i][:, checkpoint], CURVES[j][:, checkpoint]
                if i != j and stats.ttest_rel(one, other).pvalue < 0.05 and one.mean() > other.mean():
                    wins += 1
            assert found.loc[i, j] == pytest.approx(wins / 5)
    assert found.to_numpy().sum() > 0


def test_the_row_wins_and_the_better_strategy_has_the_lower_column_mean() -> None:
    found = matrix()
    assert found.loc["good", "bad"] > 0.5
    assert found.loc["bad", "good"] == 0
    means = column_means(found)
    assert means["good"] < means["random"] <= means["bad"]
    assert means["bad"] == pytest.approx((found.loc["good", "bad"] + found.loc["random", "bad"]) / 2)


def test_equal_curves_beat_nobody() -> None:
    same = penalty_matrix(["a", "b"], lambda _i, _j: np.zeros((5, 4)))
    assert (same.to_numpy() == 0).all()


def test_one_seed_gives_no_verdict() -> None:
    found = penalty_matrix(["a", "b"], lambda _i, _j: np.ones((1, 4)))
    assert np.isnan(found.loc["a", "b"])


def test_over_splits_the_test_is_corrected() -> None:
    found = penalty_matrix(list(CURVES), lambda i, j: CURVES[i] - CURVES[j], overlap=0.4)
    plain = matrix()
    assert (found.to_numpy() <= plain.to_numpy()).all()
    assert found.to_numpy().sum() < plain.to_numpy().sum()
    two = penalty_matrix(["a", "b"], lambda _i, _j: np.array([[0.0, 1.0], [0.0, 2.0]]), overlap=0.4)
    assert np.isnan(two.loc["a", "b"])
