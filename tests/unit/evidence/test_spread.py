from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from coilal.evidence.spread import spread
from coilal.evidence.units import Units


@pytest.mark.parametrize(("splits", "seeds"), [(5, 10), (10, 3)])
def test_components_of_a_whole_grid_are_those_of_statsmodels_mixed_model(splits: int, seeds: int) -> None:
    generator = np.random.default_rng(0)
    deltas = generator.normal(0, 0.02, (splits, 1)) + generator.normal(0, 0.01, (splits, seeds))
    units = Units.splits(np.repeat(range(splits), seeds), 0.3)
    found = spread(units, deltas.ravel())
    assert found is not None
    table = pd.DataFrame({"delta": 100 * deltas.ravel(), "split": units.of})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of convergence, near the end
        model = smf.mixedlm("delta ~ 1", table, groups="split").fit(reml=True)
    assert found.split == pytest.approx(float(model.cov_re.iloc[0, 0]) / 1e4, rel=1e-3)
    assert found.seed == pytest.approx(model.scale / 1e4, rel=1e-3)
    # but for the overlap the mixed model tests the mean over splits just as the t-test over splits does
    error = np.sqrt((found.split + found.seed / seeds) / splits)
    assert error == pytest.approx(float(model.bse["Intercept"]) / 100, rel=1e-3)
    assert error == pytest.approx(deltas.mean(axis=1).std(ddof=1) / np.sqrt(splits))


def test_components_of_an_incomplete_grid_are_right_on_average() -> None:
    of = np.repeat(range(6), [10, 1, 3, 7, 10, 2])
    units = Units.splits(of, 0.3)
    found = []
    for number in range(2000):
        generator = np.random.default_rng([number, 1])
        deltas = generator.normal(0, 2, 6)[of] + generator.normal(0, 1, len(of))
        found.append(spread(units, deltas))
    assert np.mean([each.seed for each in found if each]) == pytest.approx(1, rel=0.02)
    assert np.mean([each.split for each in found if each]) == pytest.approx(4, rel=0.05)


def test_what_is_estimated_below_zero_is_zero() -> None:
    found = spread(Units.splits([0, 0, 1, 1], 0.3), np.array([1.0, -1.0, 0.9, -0.9]))
    assert found is not None
    assert (found.split, found.share) == (0.0, 0.0)


@pytest.mark.parametrize("units", [Units.seeds(5), Units.splits(range(5), 0.3), Units.splits([0] * 5, 0.3)])
def test_one_split_or_one_seed_a_split_tells_nothing_of_the_sources(units: Units) -> None:
    assert spread(units, np.arange(5.0)) is None
